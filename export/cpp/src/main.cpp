// edgecls-infer: runs a bundle without Python, by the contract of every bundle's infer.py. The last
// line on stdout is one JSON object with `ok`; the exit status is 0 where it is true, 1 where it is
// not and 2 for a wrong command line.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "arguments.h"
#include "bench.h"
#include "error.h"
#include "measure.h"
#include "memory.h"
#include "meta.h"
#include "runner.h"
#include "serve.h"

namespace edgecls {
namespace {

using Command = Arguments::Command;

Json failure(const std::string& cause, const std::string& fix) {
  std::fprintf(stderr, "error: %s\n", cause.c_str());
  if (!fix.empty()) std::fprintf(stderr, "  fix: %s\n", fix.c_str());
  return Json::object().set("ok", false).set("error", cause).set("fix", fix);
}

// Our own stdout; what a runtime prints goes to stderr, so that the last line stays ours.
std::FILE* claim_stdout() {
  std::fflush(stdout);
  const int ours = dup(1);
  std::FILE* stream = ours < 0 || dup2(2, 1) < 0 ? nullptr : fdopen(ours, "w");
  if (!stream) throw Error("stdout cannot be written");
  return stream;
}

void check_kit(const Meta& meta) {
  const std::vector<std::string> kits = backend_kits();
  if (std::find(kits.begin(), kits.end(), meta.kit) != kits.end()) return;
  throw Error("this edgecls-infer runs " + kits[0] + " bundles, and this is one for " + meta.kit,
              "build it with -DEDGECLS_BACKEND=" + meta.kit + ", or export another bundle");
}

// What a runtime has built of itself for this device, by being loaded.
Json prepared(const Runner& runner) {
  Json result = Json::object().set("ok", true);
  for (const auto& [name, value] : runner.about().members) {
    if (name == "engine" || name == "build_seconds") result.set(name, value);
  }
  return result;
}

Json run(const Arguments& arguments, std::FILE* out) {
  const Meta meta = read_meta(arguments.bundle);
  std::string changed;
  for (const std::string& each : check_files(arguments.bundle, meta)) {
    changed += (changed.empty() ? "" : "; ") + each;
  }
  if (!changed.empty()) throw Error("the bundle is damaged: " + changed, "copy it again");
  check_kit(meta);
  const std::int64_t baseline_bytes = resident_bytes();
  std::unique_ptr<Runner> runner;
  const double load_ms =
      timed_ms([&] { runner = make_runner(arguments.bundle, meta, arguments.threads); });
  if (arguments.command == Command::prepare) return prepared(*runner);
  Server server(arguments.bundle, meta, *runner, load_ms, baseline_bytes);
  switch (arguments.command) {
    case Command::verify: return server.verify();
    case Command::evaluate: return server.evaluate(arguments.directory);
    case Command::bench: return bench(server, arguments.bench);
    case Command::serve: serve(server, out); return Json::object().set("ok", true);
    default: return server.predict(arguments.images);
  }
}

Json guarded(const Arguments& arguments, std::FILE* out) {
  try {
    return run(arguments, out);
  } catch (const Error& error) {
    return failure(error.what(), error.fix);
  } catch (const std::exception& error) {  // a runtime throws what it likes
    return failure(error.what(), "");
  }
}

int main_with(const std::vector<std::string>& words) {
  Arguments arguments;
  try {
    arguments = parse_arguments(words);
  } catch (const Error& error) {
    std::fputs(kUsage, stderr);
    write_line(failure(error.what(), "edgecls-infer --help"), stdout);
    return 2;
  }
  if (arguments.command == Command::help) {
    std::printf("%s%s", kUsage, kHelp);
    return 0;
  }
  std::FILE* out = claim_stdout();
  const Json result = guarded(arguments, out);
  const bool ok = result.find("ok")->truth;
  if (arguments.command != Command::serve || !ok) write_line(result, out);
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace edgecls

int main(int count, char** words) {
  return edgecls::main_with(std::vector<std::string>(words + 1, words + count));
}
