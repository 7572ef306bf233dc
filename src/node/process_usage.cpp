#include "node/process_usage.hpp"

#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

namespace ec::node {

base::result<process_usage> usage_of(int pid) {
  const auto path = "/proc/" + std::to_string(pid) + "/stat";
  std::ifstream file(path);
  std::string text;
  if (!file || !std::getline(file, text)) return base::fail(base::errc::not_found, "there is no such process", path);
  // The command's name stands in parentheses and may hold anything; fields are counted behind it [proc(5)].
  const auto after = text.rfind(')');
  if (after == std::string::npos) return base::fail(base::errc::malformed, "expected a line of proc(5)", path);
  std::istringstream fields(text.substr(after + 1));
  std::string skipped;
  uint64_t user = 0, system = 0, pages = 0;
  for (int i = 3; i <= 13; ++i) fields >> skipped;
  fields >> user >> system;
  for (int i = 16; i <= 23; ++i) fields >> skipped;
  if (!(fields >> pages)) return base::fail(base::errc::malformed, "expected a line of proc(5)", path);
  process_usage out;
  out.cpu = std::chrono::milliseconds((user + system) * 1000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK)));
  out.resident_bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return out;
}

} // namespace ec::node
