/* SPDX-License-Identifier: MIT */
/* Sessions as people write and read them: their number, and what a record of the journal means for the machine. */
#ifndef CLI_SESSIONS_H
#define CLI_SESSIONS_H

#include <argp.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

void session_format(const uint8_t session[16], char out[33]);

/* 32 hexadecimal digits; ends the program with exit code 2 and a sentence if @text is none. */
void session_parse(struct argp_state *state, const char *text, uint8_t session[16]);

/* A sentence: what the record says, and what there is to do. Static. */
const char *session_meaning(const struct vfiomig_journal *journal);

#endif
