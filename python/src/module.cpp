#include "module.hpp"

NB_MODULE(_core, m) {
  m.doc() = "The compiled part of binade: use the package binade, which checks arguments and exchanges arrays.";
  binade::python::bind_values(m);
  binade::python::bind_verbs(m);
}
