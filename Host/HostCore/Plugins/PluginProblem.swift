/// Why a plugin cannot be used: the file, what was found there, and what to do about it.
package struct PluginProblem: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Kind: String, Sendable, CaseIterable {
    case notFound = "not-found"
    case unreadable
    case outsideFolder = "outside-folder"
    case notAllowed = "not-allowed"
    case quarantined
    case tooLarge = "too-large"
    case notElf = "not-elf"
    case truncated
    case otherMachine = "other-machine"
    case notShared = "not-shared"
    case noNote = "no-note"
    case badNote = "bad-note"
    case otherAbi = "other-abi"
    case newerRevision = "newer-revision"
    case otherLayout = "other-layout"
    case noEntry = "no-entry"
    case loaderRefused = "loader-refused"
    case openTimeout = "open-timeout"
    case openCrashed = "open-crashed"
    case queryRefused = "query-refused"
    case badTable = "bad-table"
    case badSchema = "bad-schema"
    case missingService = "missing-service"
    case otherID = "other-id"
    case createFailed = "create-failed"
    case loadFailed = "load-failed"
    case createCrashed = "create-crashed"
    case createTimeout = "create-timeout"
  }

  package var kind: Kind
  package var file: String
  package var found: String
  package var remedy: String

  package init(_ kind: Kind, file: String, found: String, remedy: String) {
    self.kind = kind
    self.file = file
    self.found = found
    self.remedy = remedy
  }

  package var description: String { "\(file): \(found); \(remedy)" }
}

extension PluginProblem {
  /// Says in words what the ELF reader found.
  package init(_ problem: ElfImage.Problem, file: String) {
    switch problem {
    case .notElf(let first):
      let looksLikeText = first.allSatisfy { $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
      let begins = String(decoding: first, as: UTF8.self).prefix { $0 != "\n" && $0 != "\r" }
      let found =
        first.isEmpty
        ? "is empty" : looksLikeText ? "is a text file that begins \"\(begins)\"" : "does not begin like an ELF file"
      self.init(.notElf, file: file, found: found, remedy: "expected a shared object built for Linux")
    case .wrongClass:
      self.init(
        .otherMachine, file: file, found: "is not a 64-bit little-endian ELF file",
        remedy: "build it for \(ElfImage.machineName(ElfImage.hostMachine))")
    case .wrongMachine(let machine):
      self.init(
        .otherMachine, file: file, found: "is built for \(ElfImage.machineName(machine))",
        remedy: "build it for \(ElfImage.machineName(ElfImage.hostMachine))")
    case .notShared(let type):
      let what = type == 1 ? "an object file" : type == 2 ? "an executable" : "an ELF file of type \(type)"
      self.init(
        .notShared, file: file, found: "is \(what), not a shared object", remedy: "link it with -shared")
    case .truncated(let has, let needs):
      let size = needs == .max ? "more than there can be" : "\(needs)"
      self.init(
        .truncated, file: file, found: "is cut short: it has \(has) bytes and its headers speak of \(size)",
        remedy: "copy it again, whole")
    case .malformed(let what):
      self.init(.truncated, file: file, found: "is damaged: \(what)", remedy: "build or copy it again")
    case .badNote(let what):
      self.init(.badNote, file: file, found: what, remedy: "build it against this host's SDK")
    }
  }
}
