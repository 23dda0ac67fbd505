// The program `binade`.  Everything it can do is in the engine; here are names, help and exit codes.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "binade/nearest_name.hpp"
#include "binade/version.hpp"
#include "cli/commands.hpp"
#include "kernels/processor.hpp"

namespace binade::cli {
namespace {

/// Somebody closed the pipe that we print into (`binade formats | head`): no result, and nobody to tell.
struct closed_pipe : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A file opened later must not become standard output by taking its number: a database would receive our messages.
// Opened for reading, so that whoever prints to it gets an error.
void occupy_closed_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", O_RDONLY);
}

// The parser says only that a subcommand is required when the first word is none.
std::string unknown_command(const CLI::App& program, const std::string& given) {
  std::vector<std::string> names;
  std::string list;
  for (const CLI::App* command : program.get_subcommands({})) {
    names.push_back(command->get_name());
    list += (list.empty() ? "" : ", ") + names.back();
  }
  return "there is no command '" + given + "'; the nearest is '" + std::string(nearest_name(given, names)) +
         "'; commands: " + list;
}

int report_error(const std::string& message, int code) {
  std::cerr << "binade: error: " << message << std::endl;
  return code;
}

#if defined(__x86_64__)
// The engine is compiled for x86-64-v3.  On older processors even the initialisation of its constants, before main(),
// may end in an illegal instruction: this runs before that, and uses nothing that needs to be initialised.
[[gnu::constructor(101)]] void refuse_older_processors() {
  bool refuses = false;
  const auto print = [](std::string_view text) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  };
  kernels::for_each_missing(kernels::processor_features(), [&](std::string_view name) {
    print(refuses ? ", " : "binade: error: this processor lacks ");
    print(name);
    refuses = true;
  });
  if (!refuses) return;
  print("; the engine needs x86-64-v3 (Intel since 2013, AMD since 2015)\n");
  ::_exit(exit_code::failed_while_running);
}
#endif

// A disk that fails under a mapped file, or somebody who shortens it between a look at its size and one at its bytes:
// nothing is lost that SIGKILL would not lose, and nobody should have to guess why.
void explain_failing_mappings() {
  struct sigaction action {};
  action.sa_handler = [](int) {
    constexpr std::string_view text =
        "binade: error: a file that is mapped into memory (data or a store) could not be read: its disk failed, or it "
        "became shorter\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    ::_exit(exit_code::failed_while_running);
  };
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

int run(int argc, char** argv) {
  CLI::App program("binade: what happens to a computation or a training run if its numbers look like that?", "binade");
  program.set_version_flag("--version", "binade " + std::string(version_and_commit));
  program.require_subcommand(1);
  program.failure_message(CLI::FailureMessage::simple);
  program.footer(
      "Examples:\n"
      "  binade formats e4m3fn                            what a number format can represent\n"
      "  binade explain e4m3fn 0.3                        what becomes of a number\n"
      "  binade quantize w.npy q.npy --to mxfp4           round an array\n"
      "  binade train experiments/train_example.toml      train one small model\n"
      "  binade study experiments/demo.toml --out runs/demo   compare formats, with a report\n"
      "\nbinade COMMAND --help says more.  Exit codes: 0 done, 1 failed while running, 2 wrong use, 130 interrupted.");
  int result = exit_code::done;
  add_study_command(program, result);
  add_train_command(program, result);
  add_report_command(program, result);
  add_bench_command(program, result);
  add_formats_command(program, result);
  add_explain_command(program, result);
  add_quantize_command(program, result);
  add_compare_command(program, result);
  add_matmul_command(program, result);
  add_vectors_command(program, result);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {
      program.exit(e);  // prints help or version
    } else if (program.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
      return report_error(unknown_command(program, argv[1]), exit_code::wrong_use);
    } else {
      return report_error(e.what() + std::string("; see binade --help"), exit_code::wrong_use);
    }
  }
  finish_output();
  return result;
}

}  // namespace

void finish_output() {
  errno = 0;
  // What did not fit into the buffer was written before, and why that failed is forgotten: one more byte asks again.
  if (!std::cout.good() && ::write(STDOUT_FILENO, "\n", 1) == 1) errno = 0;
  std::cout.flush();
  if (std::cout.good()) return;
  if (errno == EPIPE) throw closed_pipe("standard output was closed");
  throw std::runtime_error("cannot write to standard output" +
                           (errno == 0 ? std::string() : ": " + std::generic_category().message(errno)));
}

}  // namespace binade::cli

int main(int argc, char** argv) {
  using namespace binade::cli;
  occupy_closed_descriptors();
  ::signal(SIGPIPE,
           SIG_IGN);  // a write into a closed pipe is an error like others: a study goes on without its audience
  ::signal(SIGXFSZ, SIG_IGN);  // so is a write beyond the allowed file size
  explain_failing_mappings();
  try {
    return run(argc, argv);
  } catch (const closed_pipe&) {
    return exit_code::failed_while_running;
  } catch (const std::invalid_argument& e) {
    return report_error(e.what(), exit_code::wrong_use);
  } catch (const std::bad_alloc&) {
    return report_error("not enough memory; use a smaller model, batch, number of jobs or array",
                        exit_code::failed_while_running);
  } catch (const std::exception& e) {
    return report_error(e.what(), exit_code::failed_while_running);
  }
}
