#include <iostream>

#include "binade/version.hpp"
#include "study/store.hpp"

int main() {
  if (binade::to_string(binade::trial_status::diverged) != "diverged") return 1;
  std::cout << "binade engine " << binade::version_and_commit << '\n';
}
