import CSystem
import Glibc
import HostRuntime

/// What a library can change in the process that loads it, and must leave alone.
struct ProcessState {
  enum Aspect: CaseIterable { case threads, descriptors, signals, surroundings }

  private var threads: Set<String>
  private var descriptors: [String: String]
  private var signals: [UInt64]
  private var environment: [String: String]
  private var folder: String
  private var mask: mode_t
  private var rounding: UInt64
  private var locale: String

  init() {
    threads = Set(filesIn("/proc/self/task"))
    descriptors = Self.openDescriptors()
    signals = Self.signalState()
    environment = Self.environmentNow()
    folder = resolvedPath(".") ?? ""
    mask = umask(0o022)
    umask(mask)
    rounding = csystem_float_control()
    locale = setlocale(LC_ALL, nil).map { String(cString: $0) } ?? ""
  }

  /// What has changed since an earlier moment, in words, one for each thing.
  func changes(since before: ProcessState, _ aspect: Aspect) -> [String] {
    switch aspect {
    case .threads:
      let new = threads.subtracting(before.threads)
      return new.sorted().map { "the thread \(Self.threadName($0)) is left running" }
    case .descriptors: return descriptorChanges(since: before)
    case .signals: return signalChanges(since: before)
    case .surroundings: return surroundingChanges(since: before)
    }
  }

  private func descriptorChanges(since before: ProcessState) -> [String] {
    let numbers = Set(descriptors.keys).union(before.descriptors.keys).sorted()
    return numbers.compactMap { number in
      switch (before.descriptors[number], descriptors[number]) {
      case (nil, let now?): "descriptor \(number) is left open on \(now)"
      case (let then?, nil): "descriptor \(number) (\(then)) has been closed"
      case (let then?, let now?) where then != now: "descriptor \(number) was \(then) and is now \(now)"
      default: nil
      }
    }
  }

  private func signalChanges(since before: ProcessState) -> [String] {
    var changes: [String] = []
    for number in 1..<(signals.count - 1) where signals[number] != before.signals[number] {
      changes.append("signal \(number) (\(String(cString: strsignal(Int32(number))))) has another handler")
    }
    if signals.last != before.signals.last { changes.append("other signals are blocked") }
    return changes
  }

  private func surroundingChanges(since before: ProcessState) -> [String] {
    var changes: [String] = []
    for name in Set(environment.keys).union(before.environment.keys).sorted()
    where environment[name] != before.environment[name] {
      changes.append(
        "the variable \(name) was \(before.environment[name] ?? "unset") and is \(environment[name] ?? "unset")")
    }
    if folder != before.folder { changes.append("the working folder was \(before.folder) and is \(folder)") }
    if mask != before.mask {
      changes.append("the umask was \(String(before.mask, radix: 8)) and is \(String(mask, radix: 8))")
    }
    if rounding != before.rounding { changes.append("arithmetic rounds otherwise, or drops the smallest numbers") }
    if locale != before.locale { changes.append("the locale was \(before.locale) and is \(locale)") }
    return changes
  }

  private static func openDescriptors() -> [String: String] {
    var open: [String: String] = [:]
    for number in filesIn("/proc/self/fd") {
      // The one that reads the folder is closed by now.
      if let target = linkTarget("/proc/self/fd/\(number)") { open[number] = target }
    }
    return open
  }

  private static func linkTarget(_ path: String) -> String? {
    var room = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = room.withUnsafeMutableBytes { readlink(path, $0.baseAddress!, $0.count) }
    return count > 0 ? String(decoding: room[..<count], as: UTF8.self) : nil
  }

  private static func signalState() -> [UInt64] {
    var words = [UInt64](repeating: 0, count: Int(CSYSTEM_SIGNAL_WORDS))
    csystem_signal_state(&words)
    return words
  }

  private static func environmentNow() -> [String: String] {
    var found: [String: String] = [:]
    guard var next = csystem_environment() else { return found }
    while let entry = next.pointee {
      let parts = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      found[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
      next += 1
    }
    return found
  }

  private static func threadName(_ thread: String) -> String {
    let name = readFile("/proc/self/task/\(thread)/comm", limit: 64).map { String(decoding: $0, as: UTF8.self) }
    return name.map { "`\($0.split(separator: "\n").first ?? "")`" } ?? thread
  }
}

/// Both outputs of this process, caught in a file while something runs.
struct OutputCatch {
  private let file: Int32
  private let saved: [Int32]

  /// Nil if there is no room for a file.
  init?() {
    var template = Array("/tmp/nodehost-output-XXXXXX".utf8CString)
    file = mkstemp(&template)
    guard file >= 0 else { return nil }
    unlink(template)
    fflush(nil)
    saved = [dup(STDOUT_FILENO), dup(STDERR_FILENO)]
    dup2(file, STDOUT_FILENO)
    dup2(file, STDERR_FILENO)
  }

  /// What was written meanwhile; the outputs are again what they were.
  func end() -> String {
    fflush(nil)
    dup2(saved[0], STDOUT_FILENO)
    dup2(saved[1], STDERR_FILENO)
    for descriptor in saved { close(descriptor) }
    lseek(file, 0, SEEK_SET)
    var room = [UInt8](repeating: 0, count: 512)
    let count = read(file, &room, room.count)
    close(file)
    return String(decoding: room[..<max(0, count)], as: UTF8.self)
  }
}
