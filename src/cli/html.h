/* SPDX-License-Identifier: MIT */
/* Text into a page: names and paths come from command lines and peers, and must stay text. */
#ifndef CLI_HTML_H
#define CLI_HTML_H

#include <stdio.h>

/* @text with what HTML and SVG take for markup escaped; bytes that are no UTF-8 and control characters become '?'. */
void html_text(FILE *out, const char *text);

#endif
