// How commands talk: results to stdout, everything else to stderr, colour on a terminal only.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pte::cli {

void print_text(std::string_view text);
template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}
void print_json(const nlohmann::json& object);
void print_error(const Error& error);
// A line of talk on stderr.
void print_note(std::string_view text);
// Flushes stdout; false (and a message) when it could not be written, as on a full disk.
bool finish_output();

bool stdout_is_terminal();
// `text` in bold, green … when stdout is a terminal.
std::string bold(std::string_view text);
std::string green(std::string_view text);
std::string dim(std::string_view text);

// "18.6 MB", "391 kB", "96 B": decimal units.
std::string human_bytes(uint64_t bytes);
// "3 ms", "1.2 s", "0.4 ms".
std::string human_time(double milliseconds);
std::string human_count(int64_t count);  // "4.65 M"

// Columns as they stand on a terminal: characters of UTF-8, not bytes.
size_t width_of(std::string_view text);
std::string pad_right(std::string_view text, size_t width);
std::string pad_left(std::string_view text, size_t width);

class Stopwatch {
 public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A bar on stderr while something takes longer than a second and stderr is a terminal.
class Progress {
 public:
  Progress(std::string label, size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance(size_t done);

 private:
  std::string label_;
  size_t total_;
  bool shown_ = false;
  Stopwatch watch_;
};

}  // namespace pte::cli
