#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "node/settings.hpp"

/// The frame of every command: options from its table, help, logging, exit codes.
namespace ec::node {

/// Exit codes of `ec-node`, the same for every command (docs/USAGE.md).
enum exit_code : int {
  exit_ok = 0,
  exit_not_verified = 1, ///< what was checked is not right; the stream held too many invalid chunks
  exit_usage = 2,        ///< a wrong option, a wrong config file, a missing key file
  exit_failed = 3,       ///< started, and then could not go on: the address is taken, the disk refuses
};

/// What every command takes beside its own settings.
struct common_options {
  std::string log_format = "text";
  std::string log_level = "warn";
};

/// What a command says about itself in `--help`.
struct command_help {
  std::string name;                  ///< "moq-publish"
  std::string summary;               ///< one sentence
  std::vector<std::string> examples; ///< whole command lines
};

/// Result of reading a command line: go on, or exit with a code (help was printed, or an error was).
struct parsed_line {
  bool go_on = false;
  int code = exit_usage;
};

/// One option as Boost.Program_options sees it.
struct option_row {
  std::string name, value, help;
  bool repeatable = false;
  bool positional = false;
};

/// Splits a command line into (name, value) pairs by `rows`; prints help or the error itself.
parsed_line split_line(const std::vector<std::string>& args, const command_help& help, const std::vector<option_row>& rows,
  std::vector<std::pair<std::string, std::string>>& values);

/// Applies --log-format and --log-level; false after printing what is wrong with them.
bool set_up_logging(const common_options& common);

/// Prints "ec-node NAME: message" to standard error.
void print_error(const std::string& command, const std::string& message);

/// A command of several parts, `ec-node key show`: runs the part that the first argument names with the rest, or says which there are.
/// `usage`: the parts with their main options, in one line. `example`: the part that `--help` shows how to ask on.
struct command_part {
  std::string name;
  int (*run)(const std::vector<std::string>& args);
};
int run_part(const std::string& command, const std::string& usage, const std::string& example, const std::vector<command_part>& parts,
  const std::vector<std::string>& args);

/// For a terminal: control characters become spaces, as a device may put anything into a name.
std::string printable(std::string text);

std::vector<option_row> common_rows();
bool read_common(const std::string& name, const std::string& value, common_options& common);

/// Reads `args` into `out` by the table.
template <class C>
parsed_line read_line(const std::vector<std::string>& args, const command_help& help, const std::vector<setting<C>>& settings, C& out) {
  std::vector<option_row> rows;
  for (const auto& s : settings) rows.push_back({s.name, s.value, s.help, s.repeatable, s.positional});
  for (auto& row : common_rows()) rows.push_back(std::move(row));
  std::vector<std::pair<std::string, std::string>> values;
  const auto parsed = split_line(args, help, rows, values);
  if (!parsed.go_on) return parsed;
  common_options common;
  for (const auto& [name, value] : values) {
    if (read_common(name, value, common)) continue;
    for (const auto& s : settings) {
      if (s.name != name) continue;
      if (!s.from_text(out, value)) {
        print_error(help.name, "--" + name + " takes " + s.expects + ", not '" + value + "'");
        return {};
      }
    }
  }
  if (!set_up_logging(common)) return {};
  return {true, exit_ok};
}

} // namespace ec::node
