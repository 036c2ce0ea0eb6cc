#include "cli/output.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace pte::cli {
namespace {

std::string styled(std::string_view text, std::string_view code) {
  if (!stdout_is_terminal()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

bool stderr_is_terminal() {
  static const bool terminal = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  return terminal;
}

}  // namespace

void print_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print_json(const nlohmann::json& object) {
  // Names in files may hold any bytes; what is not UTF-8 is replaced rather than refused.
  print_text(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void print_error(const Error& error) {
  const bool colour = stderr_is_terminal();
  fmt::print(stderr, "{}error:{} {}\n", colour ? "\x1b[1;31m" : "", colour ? "\x1b[0m" : "",
             error.message);
  if (!error.hint.empty()) fmt::print(stderr, "hint: {}\n", error.hint);
}

void print_note(std::string_view text) { fmt::print(stderr, "{}\n", text); }

bool finish_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  fmt::print(stderr, "error: cannot write to standard output: {}\n", std::strerror(errno));
  return false;
}

bool stdout_is_terminal() {
  static const bool terminal = ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  return terminal;
}

std::string bold(std::string_view text) { return styled(text, "1"); }
std::string green(std::string_view text) { return styled(text, "32"); }
std::string dim(std::string_view text) { return styled(text, "2"); }

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  const auto value = static_cast<double>(bytes);
  if (bytes < 1'000'000) return fmt::format("{:.0f} kB", value / 1e3);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

std::string human_time(double milliseconds) {
  if (milliseconds < 1) return fmt::format("{:.1f} ms", milliseconds);
  if (milliseconds < 1000) return fmt::format("{:.0f} ms", milliseconds);
  return fmt::format("{:.1f} s", milliseconds / 1e3);
}

std::string human_count(int64_t count) {
  if (count < 10'000) return std::to_string(count);
  if (count < 1'000'000) return fmt::format("{:.1f} k", static_cast<double>(count) / 1e3);
  return fmt::format("{:.2f} M", static_cast<double>(count) / 1e6);
}

size_t width_of(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  return width;
}

std::string pad_right(std::string_view text, size_t width) {
  std::string out(text);
  const size_t used = width_of(text);
  if (used < width) out.append(width - used, ' ');
  return out;
}

std::string pad_left(std::string_view text, size_t width) {
  const size_t used = width_of(text);
  return std::string(used < width ? width - used : 0, ' ') + std::string(text);
}

Progress::Progress(std::string label, size_t total) : label_(std::move(label)), total_(total) {}

void Progress::advance(size_t done) {
  if (!stderr_is_terminal() || total_ == 0 || watch_.milliseconds() < 1000) return;
  shown_ = true;
  constexpr size_t kWidth = 40;
  const size_t filled = kWidth * done / total_;
  std::string bar;
  for (size_t i = 0; i < kWidth; ++i) bar += i < filled ? "━" : " ";
  fmt::print(stderr, "\r\x1b[2K{}  {}  {}/{}", label_, bar, done, total_);
  std::fflush(stderr);
}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\x1b[2K");
}

}  // namespace pte::cli
