/// The report as JUnit's XML, which build servers read.
package enum JUnitReport {
  package static func text(_ reports: [PluginReport]) -> String {
    let suites = reports.map(suite).joined()
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nodehost check\">\n\(suites)</testsuites>\n"
  }

  private static func suite(_ report: PluginReport) -> String {
    let errors = report.count(.crashed) + report.count(.hung)
    let cases = report.results.map { testcase($0, report) }.joined()
    return """
        <testsuite name="\(escaped(report.file))" tests="\(report.results.count)" failures="\(report.count(.failed))" \
      errors="\(errors)" skipped="\(report.count(.skipped))" time="\(seconds(report.milliseconds))">
          <properties><property name="seed" value="\(report.seed)"/></properties>
      \(cases)  </testsuite>

      """
  }

  private static func testcase(_ result: CaseResult, _ report: PluginReport) -> String {
    let head =
      "    <testcase classname=\"\(escaped(report.file)).\(result.check.group.rawValue)\" "
      + "name=\"\(escaped(result.check.name))\" time=\"\(seconds(result.milliseconds))\""
    switch result.verdict {
    case .passed: return head + "/>\n"
    case .skipped: return head + "><skipped message=\"\(escaped(result.note))\"/></testcase>\n"
    // JUnit knows a test that says no, and one that did not come to say anything.
    case .failed: return head + ">\(problem("failure", result))</testcase>\n"
    case .crashed, .hung: return head + ">\(problem("error", result))</testcase>\n"
    }
  }

  private static func problem(_ element: String, _ result: CaseResult) -> String {
    guard let failure = result.failure else { return "" }
    let text = "expected: \(failure.expected)\nremedy: \(failure.remedy)\nrepeat: \(result.command)\n"
    return "<\(element) type=\"\(result.verdict.rawValue)\" message=\"\(escaped(failure.found))\">\(escaped(text))"
      + "</\(element)>"
  }

  private static func seconds(_ milliseconds: Int64) -> String {
    let rest = String(milliseconds % 1000)
    return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
  }

  /// XML has no way to write most control characters.
  private static func escaped(_ text: String) -> String {
    var safe = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": safe += "&amp;"
      case "<": safe += "&lt;"
      case ">": safe += "&gt;"
      case "\"": safe += "&quot;"
      case "\n", "\t": safe.unicodeScalars.append(scalar)
      case "\u{0}"..<"\u{20}", "\u{FFFE}", "\u{FFFF}": safe += "?"
      default: safe.unicodeScalars.append(scalar)
      }
    }
    return safe
  }
}
