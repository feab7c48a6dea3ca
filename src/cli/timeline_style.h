/* SPDX-License-Identifier: MIT */
/* The look of the page of timeline.h, light and dark. */
#ifndef CLI_TIMELINE_STYLE_H
#define CLI_TIMELINE_STYLE_H

extern const char timeline_style[];

#endif
