/* SPDX-License-Identifier: MIT */
/* Everything public. */
#ifndef VFIOMIG_H
#define VFIOMIG_H

#include <vfiomig/budget.h>
#include <vfiomig/config.h>
#include <vfiomig/device.h>
#include <vfiomig/error.h>
#include <vfiomig/event.h>
#include <vfiomig/host.h>
#include <vfiomig/journal.h>
#include <vfiomig/listener.h>
#include <vfiomig/recording.h>
#include <vfiomig/session.h>

/* "MAJOR.MINOR.PATCH" of the library that runs. */
const char *vfiomig_version(void);

#endif
