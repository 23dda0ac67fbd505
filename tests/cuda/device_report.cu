#include <cuda_runtime.h>

#include <cctype>
#include <ctime>
#include <fstream>
#include <stdexcept>

#include "device_report.hpp"
#include "launch.cuh"

namespace binade {
namespace {

/// The version of the kernel driver, as it tells it itself; empty where it does not.
std::string driver_version() {
  std::ifstream file("/proc/driver/nvidia/version");
  for (std::string word; file >> word;)
    if (std::isdigit(static_cast<unsigned char>(word[0])) && word.find('.') != std::string::npos) return word;
  return "";
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

nlohmann::ordered_json device_report() {
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  int driver = 0, runtime = 0;
  cuda::check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  cuda::check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  const std::time_t now = std::time(nullptr);
  char date[16];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return {{"device", properties.name},
          {"compute_capability", std::to_string(properties.major) + "." + std::to_string(properties.minor)},
          {"driver", driver_version()},
          {"driver_supports_cuda", version_text(driver)},
          {"cuda_runtime", version_text(runtime)},
          {"date", date}};
}

void write_report(const std::string& file, const nlohmann::ordered_json& report) {
  std::ofstream out(file);
  out << report.dump(2) << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

}  // namespace binade
