/* SPDX-License-Identifier: MIT */
/* Text in columns that are as wide as their widest cell: for people, so the first row is a heading. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 12 };

struct table {
	unsigned columns;
	const char *align; /* per column: 'l' or 'r'; a literal of the caller */
	char **cells;	   /* row after row; the table's own */
	size_t count, room;
};

/* @align has one letter per column. A row takes as many strings as there are columns and copies them. */
void table_init(struct table *table, const char *align);
void table_row(struct table *table, ...);

/* Print every row after @indent blanks. */
void table_print(const struct table *table, FILE *out, int indent);
void table_fini(struct table *table);

#endif
