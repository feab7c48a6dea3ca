/* SPDX-License-Identifier: MIT */
/* See table.h. Memory that cannot be had costs rows, not the program. */
#include "table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, const char *align)
{
	*table = (struct table){ .columns = (unsigned)strlen(align), .align = align };
	assert(table->columns <= TABLE_COLUMNS_MAX);
}

static int table_grow(struct table *table)
{
	size_t room = table->room ? table->room * 2 : 16 * table->columns;
	char **cells = reallocarray(table->cells, room, sizeof(*cells));

	if (!cells)
		return -1;
	table->cells = cells;
	table->room = room;
	return 0;
}

void table_row(struct table *table, ...)
{
	va_list args;

	if (table->count + table->columns > table->room && table_grow(table))
		return;
	va_start(args, table);
	for (unsigned i = 0; i < table->columns; i++)
		table->cells[table->count++] = strdup(va_arg(args, const char *));
	va_end(args);
}

static const char *cell(const struct table *table, size_t row, unsigned column)
{
	const char *text = table->cells[row * table->columns + column];

	return text ? text : "?";
}

static int column_width(const struct table *table, unsigned column)
{
	size_t width = 0;

	for (size_t row = 0; row < table->count / table->columns; row++) {
		size_t length = strlen(cell(table, row, column));

		width = length > width ? length : width;
	}
	return (int)width;
}

void table_print(const struct table *table, FILE *out, int indent)
{
	int widths[TABLE_COLUMNS_MAX];

	for (unsigned i = 0; i < table->columns; i++)
		widths[i] = column_width(table, i);
	for (size_t row = 0; row < table->count / table->columns; row++) {
		fprintf(out, "%*s", indent, "");
		for (unsigned i = 0; i < table->columns; i++) {
			int width = table->align[i] == 'r' ? widths[i] : -widths[i];

			/* No blanks at the end of a line. */
			if (i + 1 == table->columns && !*cell(table, row, i))
				break;
			if (i + 1 == table->columns && width < 0)
				width = 0;
			fprintf(out, "%s%*s", i ? "  " : "", width, cell(table, row, i));
		}
		fputc('\n', out);
	}
}

void table_fini(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){ 0 };
}
