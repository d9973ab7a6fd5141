import Glibc
import HostCore
import HostRuntime
import NodeValues
import PluginCheck

/// `nodehost check PLUGIN...`: the cases of PluginCheck against plugins, and their report.
enum CheckCommand {
  private struct Misuse: Error {
    var message: String
  }

  static func run(_ invocation: Invocation) -> ExitCode {
    if invocation.has("list") { return list(invocation) }
    do throws(Misuse) {
      guard !invocation.arguments.isEmpty else { throw Misuse(message: "check needs PLUGIN: plugin files to check") }
      return check(invocation, try options(invocation))
    } catch {
      Console.complain("nodehost: \(error.message)\nSee `nodehost check --help`.\n")
      return .usage
    }
  }

  private static func check(_ invocation: Invocation, _ options: CheckOptions) -> ExitCode {
    let scratch = ScratchFolder()
    let isJSON = invocation.has("json")
    var reports: [PluginReport] = []
    for path in invocation.arguments {
      let line = ProgressLine(isShown: !options.isInProcess)
      // A name without a slash is still a file here.
      let file = path.contains("/") ? path : "./\(path)"
      let report = CheckRun(file, options, scratch: scratch.path) { done, all, name in
        line.show("\(done) of \(all)  \(file)  \(name)")
      }.run()
      line.clear()
      reports.append(report)
      if !isJSON { Console.write((reports.count > 1 ? "\n" : "") + report.text(width: width, style: Console.style)) }
    }
    if isJSON { Console.write((["plugins": .array(reports.map(\.json))] as JSON).pretty + "\n") }
    if let file = invocation.value("junit"), !writeFile(file, Array(JUnitReport.text(reports).utf8), mode: 0o644) {
      Console.complain("nodehost: \(file) cannot be written: \(systemError())\n")
      return .failure
    }
    return reports.allSatisfy(\.isGood) ? .success : .failure
  }

  /// Lines are cut only where somebody looks at them.
  private static var width: Int? { isatty(STDOUT_FILENO) == 1 ? Console.width : nil }

  private static func options(_ invocation: Invocation) throws(Misuse) -> CheckOptions {
    let selection: CaseSelection
    do throws(CaseSelection.Problem) {
      selection = try CaseSelection(invocation.values("only"))
    } catch {
      throw Misuse(message: error.message)
    }
    var options = CheckOptions(selection: selection, seed: try seed(invocation), executable: ownExecutable)
    options.isInProcess = invocation.has("in-process")
    if let text = invocation.value("config") {
      guard let config = try? JSON(parsing: text), config.object != nil else {
        throw Misuse(message: "--config takes a JSON object, such as '{\"greeting\": \"Hi\"}'")
      }
      options.config = config
    }
    if let text = invocation.value("limit") {
      guard let seconds = Double(text), seconds > 0, seconds <= 86_400 else {
        throw Misuse(message: "--limit takes seconds, from 0.001 to 86400, not \"\(text)\"")
      }
      options.limitMilliseconds = max(1, Int64(seconds * 1000))
    }
    return options
  }

  private static func seed(_ invocation: Invocation) throws(Misuse) -> UInt64 {
    // A short one, as it may have to be typed.
    guard let text = invocation.value("seed") else { return UInt64.random(in: 1...999_999) }
    guard let seed = UInt64(text) else { throw Misuse(message: "--seed takes a whole number, not \"\(text)\"") }
    return seed
  }

  private static func list(_ invocation: Invocation) -> ExitCode {
    if invocation.has("json") {
      let cases = CheckCatalogue.cases.map { ["id": .string($0.id), "promise": .string($0.promise)] as JSON }
      return Console.show(JSON.array(cases).pretty + "\n")
    }
    var table = Table([.init("CASE"), .init("WHAT HOLDS FOR A GOOD PLUGIN", shrinks: true)])
    for check in CheckCatalogue.cases { table.add([.init(check.id), .init(check.promise)]) }
    return Console.show(table.text(width: width, style: Console.style))
  }
}
