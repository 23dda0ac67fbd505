#include "util/machine.hpp"

#include <chrono>
#include <ctime>
#include <fstream>

namespace binade {

std::string cpu_name() {
  static const std::string name = [] {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
      if (line.starts_with("model name"))
        if (const auto colon = line.find(": "); colon != line.npos) return line.substr(colon + 2);
#if defined(__x86_64__)
    return std::string("x86-64");
#elif defined(__aarch64__)
    return std::string("AArch64");
#else
    return std::string("unknown processor");
#endif
  }();
  return name;
}

std::string compiler_name() {
#if defined(__clang__)
  return __VERSION__;  // begins with its name
#else
  return std::string("GCC ") + __VERSION__;
#endif
}

std::optional<std::uint64_t> available_memory() {
  std::ifstream info("/proc/meminfo");
  std::string name, unit;
  for (std::uint64_t kib = 0; info >> name >> kib; std::getline(info, unit))
    if (name == "MemAvailable:") return kib * 1024;
  return std::nullopt;
}

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

}  // namespace binade
