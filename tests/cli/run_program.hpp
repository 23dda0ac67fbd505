#pragma once
// Runs a program the way a shell does and keeps what it says.

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace binade {

struct program_result {
  int exit_code = -1;  ///< -1: ended by a signal
  std::string output, errors;
};

/// Runs arguments[0] with the others, standard input empty, and waits for it.
inline program_result run_program(std::vector<std::string> arguments) {
  // Files, not pipes: a program that fills one stream while we read the other would wait for ever.
  std::FILE* output = std::tmpfile();
  std::FILE* errors = std::tmpfile();
  if (!output || !errors) throw std::runtime_error("run_program: no temporary file");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("run_program: fork failed");
  if (child == 0) {
    if (!std::freopen("/dev/null", "r", stdin)) ::_exit(126);
    ::dup2(::fileno(output), STDOUT_FILENO);
    ::dup2(::fileno(errors), STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw std::runtime_error("run_program: waitpid failed");
  }
  const auto contents = [](std::FILE* file) {
    std::string text;
    std::rewind(file);
    char buffer[4096];
    for (std::size_t count; (count = std::fread(buffer, 1, sizeof buffer, file)) > 0;) text.append(buffer, count);
    std::fclose(file);
    return text;
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(output), contents(errors)};
}

}  // namespace binade
