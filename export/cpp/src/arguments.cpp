#include "arguments.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "error.h"

namespace edgecls {

const char* const kUsage =
    "usage: edgecls-infer BUNDLE (--verify | --eval DIR | --bench | --serve | --prepare | "
    "IMAGE...)\n"
    "                     [--threads N] [--seconds S] [--queries N]\n"
    "                     [--scenario NAME] [--qps Q] [--samples N]\n";
const char* const kHelp =
    "\nRun, verify and measure the image classifier in the folder BUNDLE.\n\n"
    "  --verify      prove files, tensors and logits\n"
    "  --eval DIR    accuracy on a folder with one folder a class\n"
    "  --bench       measure the latency\n"
    "  --serve       answer JSON requests on stdin\n"
    "  --prepare     build ahead what this device needs\n"
    "  IMAGE         images to classify\n"
    "  --threads N   CPU threads (0: the runtime's own)\n"
    "  --seconds S   shortest time of --bench (2.0)\n"
    "  --queries N   fewest queries of --bench (662, offline 1)\n"
    "  --scenario NAME\n"
    "                how the queries of --bench come: single-stream (otherwise), multi-stream,\n"
    "                offline or server\n"
    "  --qps Q       arrivals a second, with --scenario server\n"
    "  --samples N   images in a query, with --scenario multi-stream or offline\n\n"
    "The last line on stdout is one JSON object; the exit status is 0 if it holds.\n";

namespace {

using Command = Arguments::Command;

class Words {
 public:
  explicit Words(const std::vector<std::string>& words) : words_(words) {}

  bool left() const { return at_ < words_.size(); }

  // The next word's name and, of --name=value, its value.
  std::string take() {
    std::string word = words_[at_++];
    const std::size_t equals = word.rfind("--", 0) == 0 ? word.find('=') : word.npos;
    has_value_ = equals != word.npos;
    if (has_value_) {
      value_ = word.substr(equals + 1);
      word.resize(equals);
    }
    return word;
  }

  bool has_value() const { return has_value_; }

  std::string value(const std::string& option) {
    if (has_value_) return value_;
    if (!left()) throw Error("argument " + option + ": expected one argument");
    return words_[at_++];
  }

  double number(const std::string& option, double least, double most) {
    const std::string text = value(option);
    char* end = nullptr;
    const double result = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0' && result >= least && result <= most) return result;
    throw Error(option + " is a number from " + short_text(least) + " to " + short_text(most) +
                ", not " + text);
  }

  long whole(const std::string& option, long least) {
    const double result = number(option, static_cast<double>(least), 1e9);
    if (result == std::floor(result)) return static_cast<long>(result);
    throw Error(option + " is a whole number, not " + short_text(result));
  }

 private:
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  std::string value_;
  bool has_value_ = false;
};

// Whether it was a command. Throws Error for a second one.
bool take_command(const std::string& word, Arguments& arguments, bool& chosen) {
  const std::pair<const char*, Command> commands[] = {{"--verify", Command::verify},
                                                      {"--eval", Command::evaluate},
                                                      {"--bench", Command::bench},
                                                      {"--serve", Command::serve},
                                                      {"--prepare", Command::prepare}};
  for (const auto& [name, command] : commands) {
    if (word != name) continue;
    if (chosen && command != arguments.command) {
      throw Error("argument " + word +
                  ": not allowed with another of --verify, --eval, --bench, "
                  "--serve and --prepare");
    }
    arguments.command = command;
    return chosen = true;
  }
  return false;
}

// Whether it was an option of every command.
bool take_option(const std::string& word, Words& words, Arguments& arguments) {
  if (word != "--threads") return false;
  arguments.threads = static_cast<int>(words.whole(word, 0));
  const long cores = sysconf(_SC_NPROCESSORS_CONF);
  if (cores > 0 && arguments.threads > cores) {  // they would wait for each other, for minutes
    throw Error("--threads " + std::to_string(arguments.threads) + ": this device has " +
                std::to_string(cores) + " cores");
  }
  return true;
}

// Whether it was one that is refused without --bench.
bool take_bench_option(const std::string& word, Words& words, Bench& bench) {
  if (word == "--seconds") bench.seconds = words.number(word, 0, 1e9);
  else if (word == "--queries") bench.queries = words.whole(word, 1);
  else if (word == "--scenario") bench.scenario = words.value(word);
  else if (word == "--qps") bench.qps = words.number(word, 1e-3, 1e6);
  else if (word == "--samples") bench.samples = words.whole(word, 1);
  else return false;
  return true;
}

// Refuses what --bench would not use.
void check(const Bench& bench) {
  std::string names;
  bool known = false;
  for (const std::string& each : kScenarios) {
    known = known || bench.scenario == each;
    names += (names.empty() ? "" : ", ") + each;
  }
  if (!known) {
    throw Error("argument --scenario: invalid choice: '" + bench.scenario + "' (choose from " +
                names + ")");
  }
  if (bench.samples && !samples_of(bench.scenario)) {
    throw Error("--samples does nothing in " + bench.scenario +
                ": it is of multi-stream and offline");
  }
  if ((bench.scenario == "server") != bench.qps.has_value()) {
    throw Error("--scenario server and --qps go together");
  }
}

void check(const Arguments& arguments, bool chosen) {
  if (arguments.bundle.empty()) throw Error("give the folder of a bundle");
  if (!chosen && arguments.images.empty()) {
    throw Error("nothing to do: give an image, --verify, --eval DIR or --bench");
  }
  if (chosen && !arguments.images.empty()) {
    throw Error("give either images or one of --verify, --eval, --bench, --serve, --prepare");
  }
}

}  // namespace

Arguments parse_arguments(const std::vector<std::string>& all) {
  Arguments arguments;
  Words words(all);
  bool chosen = false, options = true;
  std::string of_bench;
  while (words.left()) {
    const std::string word = words.take();
    if (options && word == "--") {
      options = false;
    } else if (options && (word == "--help" || word == "-h")) {
      arguments.command = Command::help;
      return arguments;
    } else if (options && take_command(word, arguments, chosen)) {
      if (word == "--eval") arguments.directory = words.value(word);
      else if (words.has_value()) throw Error("argument " + word + ": takes no value");
    } else if (options && take_option(word, words, arguments)) {
    } else if (options && take_bench_option(word, words, arguments.bench)) {
      of_bench = word;
    } else if (options && word.size() > 1 && word[0] == '-') {
      throw Error("unrecognized arguments: " + word);
    } else if (arguments.bundle.empty()) {
      arguments.bundle = word;
    } else {
      arguments.images.push_back(word);
    }
  }
  check(arguments, chosen);
  if (!of_bench.empty() && arguments.command != Command::bench) {
    throw Error(of_bench + " is of --bench alone");
  }
  check(arguments.bench);
  return arguments;
}

}  // namespace edgecls
