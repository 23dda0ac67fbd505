#pragma once
// What a file of results from a device says about where they come from.

#include <nlohmann/json.hpp>
#include <string>

namespace binade {

/// Device, compute capability, driver, CUDA version and date.
/// @throws std::runtime_error for an error of the device
nlohmann::ordered_json device_report();

/// @throws std::runtime_error if the file cannot be written
void write_report(const std::string& file, const nlohmann::ordered_json& report);

}  // namespace binade
