#pragma once
// The parts of binade._core.  What users see is python/binade/; the arguments here were checked there.

#include <nanobind/nanobind.h>

namespace binade::python {

void bind_values(nanobind::module_& m);  ///< format, scaling, quantizer
void bind_verbs(nanobind::module_& m);

}  // namespace binade::python
