import CNodeABI
import Glibc
import HostCore
import HostRuntime

/// What the file alone says. None of its code runs.
enum StaticCases {
  /// What the oldest supported system has: Debian 12.
  static let newestGlibc = [2, 36]
  private static let fileLimit = 256 << 20

  static let all = [
    CheckCase(
      .static, "elf", "the file is a whole shared object for this machine", remedy: "build or copy it again",
      stage: .file, isGate: true
    ) { subject in
      do {
        return ElfImage.machineName(try read(subject).machine)
      } catch let problem as PluginProblem where problem.kind == .badNote {
        return ""
      }
    },
    CheckCase(
      .static, "note", "the file has a note that this host understands",
      remedy: "add NH_PLUGIN_NOTE (C) or @main on the role (Swift); see nodehost/plugin.h", stage: .file, isGate: true
    ) { subject in
      var image = try image(subject)
      // Whether the entry is there is another case's business.
      image.exportsQuery = true
      let note = try HostABI.check(image, file: subject.path)
      return "\(note.languageName), built for revision \(note.revisionBuilt)"
    },
    CheckCase(
      .static, "one-export", "nh_plugin_query is the only name that the library exports",
      remedy: "link with SDK/CNodeABI/plugin.map as version script, or compile with -fvisibility=hidden", stage: .file
    ) { subject in
      // Unique ones are another case's business.
      let others = try ["nh_plugin_query"] + linkage(subject).uniqueSymbols
      let exports = try image(subject).exports.filter { !others.contains($0) }
      guard exports.isEmpty else {
        let more = exports.count > 5 ? " and \(exports.count - 5) more" : ""
        throw CaseFailure("it also exports \(exports.prefix(5).joined(separator: ", "))\(more)")
      }
      return ""
    },
    CheckCase(
      .static, "entry", "the library exports the function nh_plugin_query",
      remedy: "define it with NH_EXPORT (C) or @main on the role (Swift)", stage: .file, isGate: true
    ) { subject in
      guard try image(subject).exportsQuery else { throw CaseFailure("it does not export nh_plugin_query") }
      return ""
    },
    CheckCase(
      .static, "symbols", "all that the library uses is in it, or in the libraries that it names",
      remedy: "link it with what it uses; -Wl,-z,defs tells at once", stage: .file, isGate: true
    ) { subject in
      _ = try image(subject)
      let missing = LoaderTrace.missing(of: subject.copy)
      guard missing.isEmpty else {
        let more = missing.count > 5 ? " and \(missing.count - 5) more" : ""
        throw CaseFailure("nobody defines " + missing.prefix(5).joined(separator: ", ") + more)
      }
      return ""
    },
    CheckCase(
      .static, "stack", "the library does not ask for a stack on which code may run",
      remedy: "link with -z noexecstack; give assembler files a .note.GNU-stack section, and use no nested functions "
        + "of GNU C", stage: .file
    ) { subject in
      guard try !linkage(subject).hasExecutableStack else {
        throw CaseFailure("it asks for an executable stack, and so would make that of the whole node one")
      }
      return ""
    },
    CheckCase(
      .static, "text-relocations", "the library's code need not be rewritten when it is loaded",
      remedy: "compile all of it with -fPIC", stage: .file
    ) { subject in
      guard try !linkage(subject).hasTextRelocations else {
        throw CaseFailure("it has text relocations: its code is made writable and changed as it is loaded")
      }
      return ""
    },
    CheckCase(
      .static, "static-tls", "the library takes none of the room for static thread-local variables",
      remedy: "compile without -ftls-model=initial-exec", stage: .file
    ) { subject in
      guard try !linkage(subject).hasStaticTLS else {
        throw CaseFailure("it has static thread-local variables, for which only a few libraries in a process find room")
      }
      return ""
    },
    CheckCase(
      .static, "unique-symbols", "the library defines no name that is one for the whole process",
      remedy: "compile with -fno-gnu-unique, or hide the templates and inline variables", stage: .file
    ) { subject in
      let unique = try linkage(subject).uniqueSymbols
      guard unique.isEmpty else {
        throw CaseFailure(
          "two versions of it would share \(unique.prefix(5).joined(separator: ", ")), and it could never be unloaded")
      }
      return ""
    },
    CheckCase(
      .static, "glibc", "the library runs with glibc \(words(newestGlibc)), the oldest that this host supports",
      remedy: "build it on the oldest system that it is to run on", stage: .file
    ) { subject in
      let newest = try linkage(subject).versions.compactMap { need -> [Int]? in
        guard need.version.hasPrefix("GLIBC_") else { return nil }
        let numbers = need.version.dropFirst(6).split(separator: ".").map { Int($0) }
        return numbers.contains(nil) ? nil : numbers.compactMap(\.self)
      }.max { $0.lexicographicallyPrecedes($1) }
      guard let newest else { return "needs none in particular" }
      guard !newestGlibc.lexicographicallyPrecedes(newest) else { throw CaseFailure("it needs glibc \(words(newest))") }
      return "needs \(words(newest))"
    },
  ]

  private static func words(_ version: [Int]) -> String { version.map(String.init).joined(separator: ".") }

  private static func bytes(_ subject: CaseSubject) throws -> [UInt8] {
    guard let bytes = readFile(subject.copy, limit: fileLimit) else {
      throw CaseFailure("it cannot be read: \(systemError())", remedy: "check the path and its permissions")
    }
    return bytes
  }

  /// Throws what is wrong with the file: the first case's business, and only its.
  private static func read(_ subject: CaseSubject) throws -> ElfImage {
    let bytes = try bytes(subject)
    do throws(ElfImage.Problem) {
      return try ElfImage(reading: bytes)
    } catch {
      throw PluginProblem(error, file: subject.path)
    }
  }

  private static func image(_ subject: CaseSubject) throws -> ElfImage {
    do {
      return try read(subject)
    } catch let problem as PluginProblem where problem.kind == .badNote {
      throw problem
    } catch {
      throw CaseSkip("see static.elf")
    }
  }

  private static func linkage(_ subject: CaseSubject) throws -> ElfLinkage {
    _ = try image(subject)
    let bytes = try bytes(subject)
    do throws(ElfImage.Problem) {
      return try ElfLinkage(reading: bytes)
    } catch {
      throw CaseSkip("see static.elf")
    }
  }
}
