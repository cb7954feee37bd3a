// A Jetson's tegrastats in the background; what it said in between is read at the end.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace edgecls {

// The power in a line of tegrastats: of the whole module where a rail tells it, else the sum of all
// rails. Nothing where there are none.
std::optional<double> total_watts(const std::string& line);

// The mean over the whole lines of `said` from byte `from` on: half a line may lack the rail of the
// whole module.
std::optional<double> mean_watts(const std::string& said, std::size_t from);

class Tegrastats {
 public:
  // Nothing where there is no tegrastats.
  static std::unique_ptr<Tegrastats> start();
  ~Tegrastats();
  Tegrastats(const Tegrastats&) = delete;
  Tegrastats& operator=(const Tegrastats&) = delete;

  void begin();
  // Since `begin`. Its lines come at equal distances: their mean is the mean over the time.
  std::optional<double> mean_watts() const;

 private:
  using Stream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  Tegrastats(Stream said, pid_t process) : said_(std::move(said)), process_(process) {}
  off_t size() const;

  Stream said_;
  pid_t process_;
  off_t from_ = 0;
};

}  // namespace edgecls
