// quantize_loops.hpp for all sources of a program that define BINADE_COMPILED_LOOPS.
#include "binade/quantize_loops.hpp"
