/* SPDX-License-Identifier: MIT */
/* The estimate for programs. See estimate.h. */
#include "estimate.h"
#include "json_value.h"

static json_t *term_array(const struct vfiomig_estimate *estimate)
{
	json_t *terms = json_array();

	for (unsigned i = 0; i < estimate->terms; i++) {
		const struct vfiomig_estimate_term *term = &estimate->term[i];

		json_array_append_new(terms, json_pack("{so so so so}", "name", json_value_text(term->name), "low_us",
						       json_value_integer(term->low_us), "high_us",
						       json_value_integer(term->high_us), "basis",
						       json_value_text(term->basis)));
	}
	return terms;
}

json_t *estimate_json(const struct migration *migration)
{
	const struct vfiomig_estimate *estimate = &migration->estimate;

	if (!migration->has_estimate)
		return json_null();
	return json_pack("{so so so sb so so so}", "low_us", json_value_integer(estimate->low_us), "high_us",
			 json_value_integer(estimate->high_us), "expected_us",
			 json_value_integer(estimate->expected_us), "assumed", estimate->assumed, "slowest_device",
			 json_value_integer(estimate->slowest_device), "stop_copy_bytes",
			 json_value_integer(estimate->stop_copy_bytes), "terms", term_array(estimate));
}
