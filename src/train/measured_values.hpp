#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "measurement.hpp"
#include "train/records.hpp"

namespace binade {

/// What was measured in a step; the micro-batches of a subject make one value: their mean, or the largest where that is
/// what counts.  A NaN among them makes it NaN.
class measured_values {
 public:
  void add(const measurement& m) { add(m.subject, m.quantity, m.value, m.largest); }
  void add(std::string_view subject, std::string_view quantity, double value, bool largest = false) {
    const auto [row, is_new] = rows_.try_emplace({std::string(subject), std::string(quantity)}, value, 1.0);
    auto& [total, count] = row->second;
    if (is_new) return;
    if (largest) {
      if (value > total || std::isnan(value)) total = value;
    } else {
      total += value;
      ++count;
    }
  }
  /// In the order of subject and quantity; then the alarms.
  std::vector<measurement_record> records(std::int64_t step) const {
    std::vector<measurement_record> result;
    for (const auto& [key, row] : rows_)
      result.push_back(
          {.trial = 0, .step = step, .subject = key.first, .quantity = key.second, .value = row.first / row.second});
    for (const alarm_limit& alarm : alarm_limits) {
      bool is_known = false;
      double beyond = 0;
      for (const auto& [key, row] : rows_) {
        if (key.second != alarm.quantity) continue;
        const double value = row.first / row.second;
        is_known = true;
        beyond +=
            alarm.below ? value != 0 && !(value >= alarm.limit) : !(value <= alarm.limit);  // also where it is NaN
      }
      if (is_known)
        result.push_back(
            {.trial = 0, .step = step, .subject = alarms_subject, .quantity = alarm.quantity, .value = beyond});
    }
    return result;
  }

 private:
  std::map<std::pair<std::string, std::string>, std::pair<double, double>> rows_;
};

}  // namespace binade
