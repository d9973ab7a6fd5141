import HostCore
enum ValidateCommand {
  static func run(_ invocation: Invocation) -> ExitCode { .failure }
}
