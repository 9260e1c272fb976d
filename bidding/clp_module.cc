// What the root loads at run time, so that leaves carry no solver.
#include "bidding/clp_solver.h"

extern "C" [[gnu::visibility("default")]] vpp::bidding::LinearProgram*
vpp_make_linear_program() {  // NOLINT(readability-identifier-naming)
  return vpp::bidding::clp_program().release();
}
