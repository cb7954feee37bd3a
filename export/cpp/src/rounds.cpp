#include "rounds.h"

#include "energy.h"
#include "load.h"
#include "pace.h"

namespace edgecls {

Measured measured(const Query& ask, const Round& asked, std::size_t samples_per_query) {
  Measured round;
  round.samples_per_query = samples_per_query;
  Energy energy;
  round.warm_up = warm_up(ask, asked);
  Pace pace;
  Load load;
  energy.begin();
  const auto begin = Clock::now();
  // A server's query would wait for it.
  const bool looks = asked.scenario != "server";
  round.samples_ms = sample(ask, asked, [&](Clock::time_point now) {
    load.look(now);
    if (looks) pace.look(now);
  });
  round.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  round.energy = energy.end(round.seconds);
  round.load = load.answer();
  round.pace_ms = pace.answer();
  return round;
}

Json to_json(const Measured& round) {
  Json result = Json::object()
                    .set("seconds", round.seconds)
                    .set("warmup_queries", static_cast<std::int64_t>(round.warm_up.queries))
                    .set("settled", round.warm_up.settled)
                    .set("samples_per_query", round.samples_per_query)
                    .set("pace_ms", round.pace_ms);
  if (!round.energy.is(Json::Kind::null)) result.set("energy", round.energy);
  if (!round.load.is(Json::Kind::null)) result.set("load", round.load);
  return result;
}

}  // namespace edgecls
