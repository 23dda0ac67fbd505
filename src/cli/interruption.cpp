#include "cli/interruption.hpp"

#include <signal.h>
#include <unistd.h>

#include <string_view>

#include "cli/commands.hpp"

namespace binade::cli {
namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");

struct sigaction old_interrupt, old_terminate, old_hang_up;

extern "C" void on_signal(int signal) {
  if (flag.exchange(true)) {
    if (signal == SIGHUP) return;  // a terminal that closes says so twice: the shell does, and the kernel
    ::_exit(exit_code::interrupted);
  }
  constexpr std::string_view text = "\nbinade: stopping after the current step (once more: stop at once)\n";
  // Nothing can be done about a standard error that is closed; the result is looked at to please the compiler.
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

}  // namespace

interruption::interruption() {
  flag = false;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &old_interrupt);
  ::sigaction(SIGTERM, &action, &old_terminate);
  ::sigaction(SIGHUP, &action, &old_hang_up);
  if (old_hang_up.sa_handler == SIG_IGN) ::sigaction(SIGHUP, &old_hang_up, nullptr);  // under nohup
}

interruption::~interruption() {
  ::sigaction(SIGINT, &old_interrupt, nullptr);
  ::sigaction(SIGTERM, &old_terminate, nullptr);
  ::sigaction(SIGHUP, &old_hang_up, nullptr);
}

const std::atomic<bool>& interruption::requested() const {
  return flag;
}

}  // namespace binade::cli
