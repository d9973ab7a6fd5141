import Glibc

/// Lines from a terminal with history and completion, by libedit if it is installed; without it, plain lines.
final class LineEditor {
  private typealias ReadLine = @convention(c) (UnsafePointer<CChar>?) -> UnsafeMutablePointer<CChar>?
  private typealias AddHistory = @convention(c) (UnsafePointer<CChar>?) -> Int32

  private let prompt: String
  private let readLine: ReadLine?
  private let addHistory: AddHistory?

  init(prompt: String, words: [String]) {
    self.prompt = prompt
    LineEditor.words = words
    guard isatty(STDIN_FILENO) == 1, let library = dlopen("libedit.so.2", RTLD_NOW) else {
      (readLine, addHistory) = (nil, nil)
      return
    }
    readLine = dlsym(library, "readline").map { unsafeBitCast($0, to: ReadLine.self) }
    addHistory = dlsym(library, "add_history").map { unsafeBitCast($0, to: AddHistory.self) }
    LineEditor.completeName = dlsym(library, "rl_filename_completion_function")
      .map { unsafeBitCast($0, to: Complete.self) }
    if let place = dlsym(library, "rl_completion_entry_function") {
      place.assumingMemoryBound(to: Complete?.self).pointee = { text, state in LineEditor.complete(text, state) }
    }
  }

  /// Nil at the end of the input.
  func next() -> String? {
    guard let readLine else { return plain() }
    guard let line = prompt.withCString({ readLine($0) }) else { return nil }
    defer { free(line) }
    let text = String(cString: line)
    if !text.isEmpty { _ = addHistory?(line) }
    return text
  }

  private func plain() -> String? {
    if isatty(STDIN_FILENO) == 1 {
      _ = prompt.withCString { write(STDOUT_FILENO, $0, strlen($0)) }
    }
    return Swift.readLine()
  }

  // MARK: Completion: of the first word from the list, of all others from the file system

  private typealias Complete = @convention(c) (UnsafePointer<CChar>?, Int32) -> UnsafeMutablePointer<CChar>?
  // The library calls a plain function, on the thread that reads lines.
  nonisolated(unsafe) private static var words: [String] = []
  nonisolated(unsafe) private static var completeName: Complete?
  nonisolated(unsafe) private static var matches: [String] = []

  private static func complete(_ text: UnsafePointer<CChar>?, _ state: Int32) -> UnsafeMutablePointer<CChar>? {
    guard let text else { return nil }
    let start = String(cString: text)
    if state == 0 { matches = words.filter { $0.hasPrefix(start) } }
    if let match = matches.first {
      matches.removeFirst()
      return strdup(match.hasSuffix(" ") ? String(match.dropLast()) : match)
    }
    return words.contains { $0.hasPrefix(start) } && !start.isEmpty ? nil : completeName?(text, state)
  }
}
