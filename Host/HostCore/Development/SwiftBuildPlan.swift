import NodeValues

/// What `swift build` left behind of how it builds: the compiler's and the linker's command lines.
///
/// Planning a build takes the package manager longer than compiling one file takes the compiler. An edit inside a
/// plugin's own module changes nothing about the plan, so one call of the compiler, with the same flags, does the same.
/// Whatever else changes (a file comes or goes, the package's description, a second module) is the package manager's.
package struct SwiftBuildPlan: Sendable, Equatable {
  /// The library that the plan links, as an absolute path.
  package var library: String
  /// The sources of its only module inside the project, as absolute paths, sorted.
  package var sources: [String]
  /// The objects of everything else.
  package var objects: [String]
  private var compiler: [String]
  private var linker: [String]

  /// A command of the plan's file.
  private struct Step {
    var inputs: [String]
    var outputs: [String]
    var arguments: [String]
  }

  /// Nil if the library has more than one module inside the project, or the plan is not as expected. `objectList` reads
  /// the file of objects that a link command names.
  package init?(_ plan: String, project: String, objectList: (String) -> String?) {
    let steps = Self.steps(plan)
    let links = steps.filter { $0.arguments.contains("-emit-library") && $0.outputs.first?.hasSuffix(".so") == true }
    guard links.count == 1, let link = links.first, let library = link.outputs.first,
      let list = link.arguments.first(where: { $0.hasPrefix("@") && $0.hasSuffix(".LinkFileList") }),
      let listed = objectList(String(list.dropFirst()))
    else { return nil }
    let all = listed.split { $0 == "\n" || $0 == " " }.map(String.init)
    let inside = project + "/", built = inside + ".build/"
    let modules = steps.filter { step in
      step.arguments.contains("-module-name") && step.arguments.contains("-c")
        && step.inputs.contains { $0.hasPrefix(inside) && !$0.hasPrefix(built) && $0.hasSuffix(".swift") }
        && step.outputs.contains { all.contains($0) }
    }
    guard modules.count == 1, let module = modules.first,
      let name = Self.value(after: "-module-name", in: module.arguments)
    else { return nil }
    let own = module.outputs.first { $0.hasSuffix(".o") }.map(Self.folder) ?? ""
    let foreign = all.filter { Self.folder($0) != own }
    // An object of the project that comes from elsewhere, C for one, would not be compiled anew.
    let others = steps.filter { step in
      step.inputs.contains { $0.hasPrefix(inside) && !$0.hasPrefix(built) }
        && step.outputs.contains(where: foreign.contains)
    }
    guard others.isEmpty, !name.isEmpty else { return nil }
    self.library = library
    sources = module.inputs.filter { $0.hasSuffix(".swift") }.sorted()
    objects = foreign
    compiler = Self.without(module.arguments)
    linker = Self.without(Array(link.arguments.dropFirst()), alsoModule: true).filter { $0 != list }
  }

  /// The one command that compiles the module and links the library, into `output`.
  package func command(output: String) -> [String] {
    compiler + ["-emit-library", "-o", output] + sources + objects + linker
  }

  /// The plan's file is YAML, but each list in it is JSON on one line.
  private static func steps(_ plan: String) -> [Step] {
    var steps: [Step] = []
    var step = Step(inputs: [], outputs: [], arguments: [])
    for line in plan.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("    inputs: ") {
        step = Step(inputs: list(line, 12), outputs: [], arguments: [])
      } else if line.hasPrefix("    outputs: ") {
        step.outputs = list(line, 13)
      } else if line.hasPrefix("    args: ") {
        step.arguments = list(line, 10)
        steps.append(step)
      }
    }
    return steps
  }

  private static func list(_ line: Substring, _ start: Int) -> [String] {
    let text = String(line.dropFirst(start))
    return ((try? JSON(parsing: text))?.array ?? []).compactMap(\.string)
  }

  private static func value(after option: String, in arguments: [String]) -> String? {
    guard let place = arguments.firstIndex(of: option), place + 1 < arguments.count else { return nil }
    return arguments[place + 1]
  }

  private static func folder(_ path: String) -> String {
    String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }

  /// Without what belongs to building piece by piece, or to indexing. Of debug information lines are kept: backtraces
  /// need no more, and the rest takes a quarter of the time.
  private static func without(_ arguments: [String], alsoModule: Bool = false) -> [String] {
    let alone: Set = [
      "-c", "-emit-module", "-emit-dependencies", "-incremental", "-enable-batch-mode", "-serialize-diagnostics",
      "-parseable-output", "-emit-objc-header", "-emit-library",
    ]
    var pairs: Set = [
      "-emit-module-path", "-output-file-map", "-index-store-path", "-emit-objc-header-path", "-o",
    ]
    // Both commands say these.
    if alsoModule { pairs.formUnion(["-module-name", "-target"]) }
    var kept: [String] = []
    var place = 0
    while place < arguments.count {
      let argument = arguments[place]
      if argument.hasPrefix("-X") {
        kept += arguments[place...].prefix(2)
        place += 2
        continue
      }
      place += pairs.contains(argument) ? 2 : 1
      let isSourceList = argument.hasPrefix("@") && argument.hasSuffix("/sources")
      if pairs.contains(argument) || alone.contains(argument) || isSourceList { continue }
      if argument != "-g" { kept.append(argument) } else if !alsoModule { kept.append("-gline-tables-only") }
    }
    return kept
  }
}
