/* SPDX-License-Identifier: MIT */
/* See cell.h: what is kept, and what is asked of it. */
#include "cell.h"

#include <errno.h>
#include <stdlib.h>

int cell_init(struct cell *cell, const struct matrix_cell *what, unsigned rounds)
{
	*cell = (struct cell){ .what = *what, .records = calloc(rounds, sizeof(*cell->records)) };
	return cell->records ? 0 : -ENOMEM;
}

void cell_fini(struct cell *cell)
{
	free(cell->records);
	free(cell->failures);
	*cell = (struct cell){ 0 };
}

double cell_time_us(const struct cell_record *record)
{
	return record->time_us;
}

double cell_cpu_us(const struct cell_record *record)
{
	return record->cpu_us;
}

double cell_devices_us(const struct cell_record *record)
{
	return record->devices_us;
}

void cell_samples(const struct cell *cell, cell_figure *figure, struct samples *samples)
{
	samples->count = 0;
	for (unsigned i = 0; i < cell->rounds; i++)
		if (cell->records[i].ok && figure(&cell->records[i]) >= 0)
			samples_add(samples, figure(&cell->records[i]));
}

void cell_ratios(const struct cell *cell, const struct cell *first, struct samples *samples)
{
	samples->count = 0;
	for (unsigned i = 0; i < cell->rounds && i < first->rounds; i++)
		if (cell->records[i].ok && first->records[i].ok && first->records[i].time_us > 0)
			samples_add(samples, cell->records[i].time_us / first->records[i].time_us);
}

void cell_path(const struct cell *cell, enum vfiomig_span span, struct samples *samples)
{
	samples->count = 0;
	for (unsigned i = 0; i < cell->rounds; i++)
		if (cell->records[i].ok && cell->records[i].has_budget)
			samples_add(samples, cell->records[i].path_us[span]);
}

double cell_path_misfit_us(const struct cell *cell)
{
	double most = 0;

	for (unsigned i = 0; i < cell->rounds; i++) {
		double misfit = cell->records[i].path_misfit_us;

		if (misfit < 0)
			misfit = -misfit;
		if (cell->records[i].ok && cell->records[i].has_budget && misfit > most)
			most = misfit;
	}
	return most;
}

unsigned cell_bottlenecks(const struct cell *cell, enum vfiomig_span span)
{
	unsigned count = 0;

	for (unsigned i = 0; i < cell->rounds; i++) {
		const struct cell_record *record = &cell->records[i];

		count += record->ok && record->has_budget && record->bottleneck == span;
	}
	return count;
}
