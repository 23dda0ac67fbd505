#pragma once
// minifloat<F>, the number type of a floating-point format F, with all that goes with it; number.hpp, which defines it
// as number<F>, has the types of the other kinds.

#include "binade/number.hpp"
#include "binade/number_limits.hpp"
#include "binade/number_order.hpp"
