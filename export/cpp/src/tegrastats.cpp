#include "tegrastats.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cstdlib>
#include <sstream>

#include "files.h"

namespace edgecls {
namespace {

// Whether a word is the name of a rail, such as VDD_IN, POM_5V_IN and, on Xavier, GPU.
bool is_rail(const std::string& word) {
  for (const char* start : {"VDD", "VIN", "POM", "CPU", "GPU", "SOC", "CV", "SYS"}) {
    if (word.rfind(start, 0) != 0) continue;
    return word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == word.npos;
  }
  return false;
}

std::string found_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = joined(folder, program);
    if (!folder.empty() && access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

// In the new process: `program` with its output in the file `said`. It goes on for ever, so that
// it must end with this process even where that one crashes.
[[noreturn]] void become(const std::string& program, int said) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  dup2(said, 1);
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, 0);
  dup2(nothing, 2);
  execl(program.c_str(), program.c_str(), "--interval", "100", nullptr);
  _exit(127);
}

}  // namespace

std::optional<double> total_watts(const std::string& line) {
  std::istringstream words(line);
  double sum = 0.0;
  bool any = false;
  for (std::string name, value; words >> value; name = value) {
    // 5079mW/5079mW, or 5079/5079 of older ones: now and on the average.
    int now = 0, end = 0;
    const bool told = std::sscanf(value.c_str(), "%d%*[mW]/%n", &now, &end) == 1 && end > 0;
    const bool older = !told && std::sscanf(value.c_str(), "%d/%n", &now, &end) == 1 && end > 0;
    if (!is_rail(name) || (!told && !older)) continue;
    if (name == "VDD_IN" || name == "POM_5V_IN") return now / 1e3;
    sum += now / 1e3;
    any = true;
  }
  if (!any) return std::nullopt;
  return sum;
}

std::optional<double> mean_watts(const std::string& said, std::size_t from) {
  std::size_t begin = 0;
  if (from > 0) {
    const std::size_t before = said.find('\n', from - 1);
    if (before == said.npos) return std::nullopt;  // the line that was open then still is
    begin = before + 1;
  }
  double sum = 0.0;
  int told = 0;
  for (std::size_t end; (end = said.find('\n', begin)) != said.npos; begin = end + 1) {
    const auto watts = total_watts(said.substr(begin, end - begin));
    sum += watts.value_or(0.0);
    told += watts.has_value();
  }
  if (told == 0) return std::nullopt;
  return sum / told;
}

std::unique_ptr<Tegrastats> Tegrastats::start() {
  const std::string program = found_on_path("tegrastats");
  if (program.empty()) return nullptr;
  Stream said(std::tmpfile(), std::fclose);
  if (!said) return nullptr;
  const pid_t process = fork();
  if (process == 0) become(program, fileno(said.get()));
  if (process < 0) return nullptr;
  return std::unique_ptr<Tegrastats>(new Tegrastats(std::move(said), process));
}

Tegrastats::~Tegrastats() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

off_t Tegrastats::size() const {
  struct stat status{};
  fstat(fileno(said_.get()), &status);
  return status.st_size;
}

void Tegrastats::begin() { from_ = size(); }

std::optional<double> Tegrastats::mean_watts() const {
  std::string said(static_cast<std::size_t>(size()), '\0');
  // Not by seeking: tegrastats writes where this file's position is.
  const ssize_t count = pread(fileno(said_.get()), said.data(), said.size(), 0);
  said.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return edgecls::mean_watts(said, static_cast<std::size_t>(from_));
}

}  // namespace edgecls
