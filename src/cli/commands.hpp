#pragma once
/// The commands of the program: one file each.

namespace CLI {
class App;
}

namespace binade::cli {

/// Exit codes of every command.
enum exit_code : int { done = 0, failed_while_running = 1, wrong_use = 2, interrupted = 130 };

/// Each adds its subcommand with options, help and examples to the program.  Its callback runs when the command line
/// names the subcommand; it sets `result` and throws what main() turns into one message: std::invalid_argument (and
/// what derives from it) for wrong use, any other std::exception for a failure.  Results go to standard output, all
/// else to standard error; with --json standard output holds one JSON document and nothing else.
void add_train_command(CLI::App& program, int& result);
void add_study_command(CLI::App& program, int& result);
void add_bench_command(CLI::App& program, int& result);
void add_report_command(CLI::App& program, int& result);
void add_formats_command(CLI::App& program, int& result);
void add_vectors_command(CLI::App& program, int& result);
void add_quantize_command(CLI::App& program, int& result);
void add_compare_command(CLI::App& program, int& result);
void add_explain_command(CLI::App& program, int& result);
void add_matmul_command(CLI::App& program, int& result);

/// Flushes standard output and checks that everything arrived.  @throws std::runtime_error if it did not (full disk,
/// closed pipe): a result that nobody can read is a failure
void finish_output();

}  // namespace binade::cli
