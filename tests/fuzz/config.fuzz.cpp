// A role's config file: whatever it holds, it is read or refused with its name, and a role that is read has what it needs.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "node/role_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  const auto read = node::parse_role(base::as_text({data, size}), "role.json");
  if (!read) {
    if (read.error().code != base::errc::config || read.error().message().find("role.json") == std::string::npos) std::abort();
    return 0;
  }
  const auto& role = read.value().role;
  if (role != "leader" && role != "relay" && role != "subscriber" && role != "all-in-one" && role != "moq-relay") std::abort();
  return 0;
}
