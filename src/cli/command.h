/* SPDX-License-Identifier: MIT */
/* The commands of rdma-vfiomig: each takes its own arguments (argv[0] is "rdma-vfiomig COMMAND") and returns the exit code. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

int recv_main(int argc, char **argv);
int send_main(int argc, char **argv);
int probe_main(int argc, char **argv);
int devices_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int status_main(int argc, char **argv);
int resolve_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int demo_main(int argc, char **argv);

/* The exit codes as a block of text, the same in every command's help. */
#define COMMAND_EXIT_HELP                                                                                              \
	"Exit codes say which side runs: 0 the destination; 1 to 9 the source runs or was never stopped, and the "     \
	"destination's devices were reset (1 internal, 2 usage, 3 refused before anything was stopped, 4 "             \
	"authentication, 5 a connection, 6 a device, 7 protocol, 8 a deadline, 9 cancelled); 20 in doubt, the source " \
	"is "                                                                                                          \
	"stopped; 21 the source could not be resumed; 22 the destination runs, but a device failed.\n"

#endif
