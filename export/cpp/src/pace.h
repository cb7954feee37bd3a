// How quick a core is at this moment, by the same arithmetic each time; as edgecls/device/pace.py,
// whose values are not comparable with these.
#pragma once

namespace edgecls {

// Milliseconds of the arithmetic, the least of several: an interrupt meets one of them.
double pace_ms();

}  // namespace edgecls
