/* SPDX-License-Identifier: MIT */
/* What was found: kept in order, and shown to people and programs. See doctor.h. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "json_value.h"
#include "report.h"
#include "table.h"
#include "terminal.h"

static const char *const verdicts[] = { [DOCTOR_PASS] = "PASS", [DOCTOR_WARN] = "WARN", [DOCTOR_FAIL] = "FAIL" };

void doctor_find(struct doctor *doctor, enum doctor_verdict verdict, const char *format, ...)
{
	struct doctor_finding *finding;
	va_list args;

	if (doctor->count == doctor->room) {
		size_t room = doctor->room ? 2 * doctor->room : 32;

		finding = reallocarray(doctor->findings, room, sizeof(*finding));
		if (!finding)
			return;
		doctor->findings = finding;
		doctor->room = room;
	}
	finding = &doctor->findings[doctor->count++];
	*finding = (struct doctor_finding){ .check = doctor->check, .verdict = verdict };
	va_start(args, format);
	vsnprintf(finding->what, sizeof(finding->what), format, args);
	va_end(args);
	terminal_make_plain(finding->what);
}

void doctor_mend(struct doctor *doctor, const char *format, ...)
{
	struct doctor_finding *finding;
	va_list args;
	int length;

	if (!doctor->count)
		return;
	finding = &doctor->findings[doctor->count - 1];
	va_start(args, format);
	length = vsnprintf(finding->mend, sizeof(finding->mend), format, args);
	va_end(args);
	/* Half a command might do something else. */
	if (length < 0 || (size_t)length >= sizeof(finding->mend))
		finding->mend[0] = '\0';
}

void doctor_soften(struct doctor *doctor, size_t from, enum doctor_verdict worst)
{
	for (size_t i = from; i < doctor->count; i++)
		if (doctor->findings[i].verdict > worst)
			doctor->findings[i].verdict = worst;
}

static void print_text(const struct doctor *doctor)
{
	struct table table;

	table_init(&table, "lll");
	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_finding *finding = &doctor->findings[i];
		char line[sizeof(finding->what) + sizeof(finding->mend) + 16];

		snprintf(line, sizeof(line), "%s%s%s", finding->what, finding->mend[0] ? "  => " : "", finding->mend);
		table_row(&table, verdicts[finding->verdict], finding->check, line);
	}
	table_print(&table, stdout, 0);
	table_fini(&table);
}

static void print_json(const struct doctor *doctor)
{
	json_t *list = json_array();

	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_finding *finding = &doctor->findings[i];

		json_array_append_new(list,
				      json_pack("{ss ss so so}", "check", finding->check, "verdict",
						verdicts[finding->verdict], "what", json_value_text(finding->what),
						"mend", json_value_text(finding->mend)));
	}
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
}

int doctor_print(const struct doctor *doctor)
{
	if (doctor->json)
		print_json(doctor);
	else
		print_text(doctor);
	return report_flush();
}
