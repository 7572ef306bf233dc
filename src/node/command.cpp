#include "node/command.hpp"

#include <cstdio>
#include <iostream>

#include <boost/program_options.hpp>

namespace ec::node {
namespace {

namespace po = boost::program_options;

void print_help(const command_help& help, const std::vector<option_row>& rows) {
  std::string usage = "ec-node " + help.name + " [options]";
  for (const auto& row : rows)
    if (row.positional) usage += " " + row.value;
  std::cout << help.summary << "\n\nUsage: " << usage << "\n\nOptions:\n";
  for (const auto& row : rows) {
    if (row.positional) continue;
    std::string left = "  --" + row.name + (row.value.empty() ? "[=BOOL]" : " " + row.value) + (row.repeatable ? " ..." : "");
    if (left.size() < 34) left.resize(34, ' ');
    else left += "\n" + std::string(34, ' ');
    std::cout << left << row.help << "\n";
  }
  std::cout << "  --help                          this text\n\nExamples:\n";
  for (const auto& example : help.examples) std::cout << "  " << example << "\n";
  std::cout << "\nExit codes: 0 done, 1 not verified, 2 wrong option or config, 3 could not go on.\n";
}

} // namespace

std::vector<option_row> common_rows() {
  return {{"log-format", "text|json", "how log lines on standard error are written (text)"},
    {"log-level", "LEVEL", "trace, debug, info, warn, error or off (warn)"}};
}

bool read_common(const std::string& name, const std::string& value, common_options& common) {
  if (name == "log-format") common.log_format = value;
  else if (name == "log-level") common.log_level = value;
  else return false;
  return true;
}

bool set_up_logging(const common_options& common) {
  using base::log::format, base::log::level;
  static const std::pair<const char*, level> levels[] = {{"trace", level::trace}, {"debug", level::debug}, {"info", level::info},
    {"warn", level::warn}, {"error", level::error}, {"off", level::off}};
  if (common.log_format != "text" && common.log_format != "json") {
    std::cerr << "ec-node: --log-format takes text or json, not '" << common.log_format << "'\n";
    return false;
  }
  for (const auto& [name, l] : levels) {
    if (common.log_level != name) continue;
    base::log::set_up(common.log_format == "json" ? format::json : format::text, l);
    return true;
  }
  std::cerr << "ec-node: --log-level takes trace, debug, info, warn, error or off, not '" << common.log_level << "'\n";
  return false;
}

void print_error(const std::string& command, const std::string& message) {
  std::cerr << "ec-node " << command << ": " << message << "\n";
}

int run_part(const std::string& command, const std::string& usage, const std::string& example, const std::vector<command_part>& parts,
  const std::vector<std::string>& args) {
  if (args.empty()) {
    print_error(command, "which of them? " + usage);
    return exit_usage;
  }
  if (args[0] == "--help") {
    std::printf("ec-node %s: %s\n\n'ec-node %s %s --help' shows the options of one, with examples.\n", command.c_str(), usage.c_str(), command.c_str(), example.c_str());
    return exit_ok;
  }
  for (const auto& part : parts)
    if (part.name == args[0]) return part.run({args.begin() + 1, args.end()});
  print_error(command, "there is no '" + args[0] + "': expected " + usage);
  return exit_usage;
}

std::string printable(std::string text) {
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

parsed_line split_line(const std::vector<std::string>& args, const command_help& help, const std::vector<option_row>& rows,
  std::vector<std::pair<std::string, std::string>>& values) {
  po::options_description description;
  po::positional_options_description positional;
  auto add = description.add_options();
  add("help", "");
  for (const auto& row : rows) {
    auto* value = po::value<std::vector<std::string>>();
    if (row.value.empty()) value->implicit_value({"true"}, "true"); // a switch: --flag, --flag=false
    add(row.name.c_str(), value, row.help.c_str());
    if (row.positional) positional.add(row.name.c_str(), row.repeatable ? -1 : 1);
  }
  try {
    const auto parsed = po::command_line_parser(args)
                          .options(description)
                          .positional(positional)
                          .style(po::command_line_style::allow_long | po::command_line_style::long_allow_adjacent |
                                 po::command_line_style::long_allow_next)
                          .run();
    for (const auto& option : parsed.options) {
      if (option.string_key == "help") {
        print_help(help, rows);
        return {false, exit_ok};
      }
      for (const auto& row : rows) {
        if (row.name != option.string_key) continue;
        if (!row.repeatable)
          for (const auto& [name, value] : values)
            if (name == row.name) {
              print_error(help.name, "--" + row.name + " is given twice");
              return {};
            }
        if (option.value.empty() && row.value.empty()) values.emplace_back(row.name, "true");
        for (const auto& value : option.value) values.emplace_back(row.name, value);
      }
    }
  } catch (const po::error& e) {
    print_error(help.name, std::string(e.what()) + " (see ec-node " + help.name + " --help)");
    return {};
  }
  return {true, exit_ok};
}

} // namespace ec::node
