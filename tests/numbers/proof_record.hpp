#pragma once
// One line of JSON for each finished sweep, appended to the file that the environment variable BINADE_PROOF_RECORD
// names; tools/proof_record.py makes the record of a whole run from them.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "binade/version.hpp"
#include "binade/versions.hpp"

namespace judged {

inline std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != line.npos) return line.substr(colon + 2);
  return "unknown processor";
}

inline int vector_width() {
#ifdef BINADE_WIDE_256
  return binade::detail::vector_bits();
#else
  return 128;
#endif
}

/// What computes the results that are judged.
struct machine {
  std::string processor, compiler;
  unsigned threads;  ///< 0: of a device, which has no such number
  int vector_bits;   ///< likewise
};
inline machine this_processor() {
#if defined(__clang__)
  const std::string compiler = __VERSION__;
#else
  const std::string compiler = std::string("GCC ") + __VERSION__;
#endif
  return {processor_name(), compiler, std::thread::hardware_concurrency(), vector_width()};
}

/// Measures a sweep from its construction on.
class proof_record {
 public:
  proof_record(std::string_view sweep, std::string_view format, machine m = this_processor())
      : begin_(R"({"sweep": ")" + std::string(sweep) + R"(", "format": ")" + std::string(format) + '"'),
        machine_(std::move(m)) {}

  /// True if the file holds this sweep of this format, passed, by this build: a run that was cut short goes on.
  bool is_there() const {
    const char* const path = std::getenv("BINADE_PROOF_RECORD");
    if (path == nullptr) return false;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      if (line.starts_with(begin_) && line.find(R"("passed": true)") != line.npos && line.find(build()) != line.npos)
        return true;
    return false;
  }

  /// @param cases        combinations of rounding and overflow rule  @param conversions  results compared
  /// @throws std::runtime_error if the line cannot be written: a proof that nobody can read was in vain
  void finish(std::uint64_t cases, std::uint64_t conversions, bool passed) const {
    const char* const path = std::getenv("BINADE_PROOF_RECORD");
    if (path == nullptr) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char date[32];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &parts);
    const std::string line = begin_ + R"(, "cases": )" + std::to_string(cases) + R"(, "conversions": )" +
                             std::to_string(conversions) + R"(, "passed": )" + (passed ? "true" : "false") +
                             R"(, "seconds": )" + std::to_string(seconds) + R"(, "threads": )" +
                             std::to_string(machine_.threads) + R"(, "vector_bits": )" +
                             std::to_string(machine_.vector_bits) + R"(, "processor": ")" + machine_.processor +
                             R"(", )" + build() + R"(, "date": ")" + date + "\"}\n";
    std::ofstream file(path, std::ios::app);
    file << line;
    file.close();
    if (!file) throw std::runtime_error(std::string("proof_record: cannot append to ") + path);
  }

 private:
  std::string build() const {
    return R"("compiler": ")" + machine_.compiler + R"(", "version": ")" + std::string(binade::version) +
           R"(", "commit": ")" + std::string(binade::commit) + '"';
  }

  std::string begin_;
  machine machine_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace judged
