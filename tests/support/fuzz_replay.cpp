// main() of a fuzz target without a fuzzing engine: runs every file of the corpus folders given, and short inputs made
// from them (each truncated at a few places), so that a corpus run also walks the "need more" paths.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  size_t inputs = 0;
  const auto run = [&](const std::vector<uint8_t>& in) {
    LLVMFuzzerTestOneInput(in.data(), in.size());
    ++inputs;
  };
  run({});
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      std::fprintf(stderr, "no corpus folder %s\n", argv[i]);
      return 1;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::vector<uint8_t> whole{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      run(whole);
      for (const size_t part : {1, 2, 3}) run({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(whole.size() * part / 4)});
    }
  }
  std::printf("%zu inputs replayed\n", inputs);
  return inputs > 1 ? 0 : 1;
}
