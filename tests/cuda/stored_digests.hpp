#pragma once
// Reads tests/golden/gpu/*.json, as exhaustive_gpu --write leaves them.

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sweep.hpp"

namespace binade::sweep {

struct element_digests {
  digests all, sample;
};
struct device_record {
  std::string file, name;
  std::map<std::string, element_digests> elements;
};

inline std::vector<device_record> stored_digests() {
  std::vector<device_record> records;
  for (const auto& entry : std::filesystem::directory_iterator(BINADE_SOURCE_DIR "/tests/golden/gpu")) {
    if (entry.path().extension() != ".json") continue;
    const nlohmann::json report = nlohmann::json::parse(std::ifstream(entry.path()));
    device_record record{.file = entry.path().filename(), .name = report.at("device"), .elements = {}};
    for (const nlohmann::json& e : report.at("elements"))
      record.elements[e.at("element")] = {.all = {.values = e.at("values"), .codes = e.at("codes")},
                                          .sample = {.values = e.at("sample_values"), .codes = e.at("sample_codes")}};
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace binade::sweep
