import Glibc
import HostRuntime
import Synchronization

/// How the plugin of a role is built for simulated worlds: as it ships, or broken in one way by a compile-time switch
/// `BROKEN_...`, which what ships never has.
package struct RoleBuild: Sendable {
  /// A Swift module and its folder in the repository.
  package struct Module: Sendable {
    var name: String
    var folder: String

    package init(_ name: String, _ folder: String) { (self.name, self.folder) = (name, folder) }
  }

  private enum Source: Sendable {
    case c(file: String)
    case swift(modules: [Module], entry: String, links: [String], headers: [String], libraries: [String])
  }

  /// What roles in manifests name: the plugin is `libNAME.so`.
  package let name: String
  private let source: Source

  /// A plugin of one file in C.
  package init(_ name: String, c file: String) { (self.name, source) = (name, .c(file: file)) }

  /// A plugin in Swift. `modules` are compiled anew for each switch, each after those that it imports, and then the
  /// file or files of `entry`. `links` are further targets of the package that they stand on, which are taken as
  /// `swift build` has made them; `headers` are folders with module maps of C targets, and `libraries` what is linked
  /// besides (`protobuf-c`). Without a switch it is the package's own product, if that has one of the name.
  package init(
    _ name: String, modules: [Module], entry: String, links: [String] = [], headers: [String] = [],
    libraries: [String] = []
  ) {
    self.name = name
    source = .swift(modules: modules, entry: entry, links: links, headers: headers, libraries: libraries)
  }

  package struct Failure: Error, CustomStringConvertible { package var description: String }

  private static let building = Mutex(())

  /// The folder that holds the plugin, which is built if something is newer than it.
  package func folder(broken fault: String? = nil) throws -> String {
    if fault == nil, Self.time("\(TestPlaces.products)/lib\(name).so") != nil { return TestPlaces.products }
    let folder = "\(TestPlaces.products)/simulated/\(name)\(fault.map { "-\($0)" } ?? "")"
    try Self.building.withLock { _ in
      if isFresh("\(folder)/lib\(name).so") { return }
      // Nobody shall load half a plugin: it gets its name when it is whole.
      let scratch = "\(folder).\(getpid())"
      try Self.run(["mkdir", "-p", scratch, folder])
      defer { try? Self.run(["rm", "-rf", scratch]) }
      let library = "\(scratch)/lib\(name).so"
      switch source {
      case .c(let file): try Self.run(compile(c: file, fault, into: library))
      case .swift: try compileSwift(fault, scratch: scratch, into: library)
      }
      try Self.run(["mv", library, "\(folder)/lib\(name).so"])
    }
    return folder
  }

  // MARK: C

  private func compile(c file: String, _ fault: String?, into library: String) -> [String] {
    ["cc", "-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-shared", "-o", library]
      + ["-I", "\(TestPlaces.repository)/SDK/CNodeABI/include"] + (fault.map { ["-DBROKEN_\($0)"] } ?? [])
      + ["\(TestPlaces.repository)/\(file)"]
  }

  // MARK: Swift

  private static let sdk = ["NodeKit", "NodeValues", "CNodeABI"]

  /// As the package builds it.
  private func flags(_ fault: String?, scratch: String, headers: [String], links: [String]) -> [String] {
    let package = TestPlaces.repository.split(separator: "/").last!.lowercased()
    let isRelease = TestPlaces.products.hasSuffix("/release")
    // Those that `swift build` has made of targets in C that have none of their own.
    let maps = links.map { "\(TestPlaces.products)/\($0).build/module.modulemap" }.filter { Self.time($0) != nil }
    let modules = maps.flatMap { ["-Xcc", "-fmodule-map-file=\($0)"] }
    let own = (["SDK/CNodeABI/include"] + headers).flatMap { ["-Xcc", "-I\(TestPlaces.repository)/\($0)"] }
    let broken: [String] = fault.map { ["-D", "BROKEN_\($0)"] } ?? []
    let places = broken + ["-I", scratch, "-I", "\(TestPlaces.products)/Modules"] + own + modules
    return ["swiftc", "-swift-version", "6", "-parse-as-library", "-wmo", isRelease ? "-O" : "-Onone"]
      + ["-enable-upcoming-feature", "ExistentialAny", "-enable-upcoming-feature", "MemberImportVisibility"]
      + ["-enable-upcoming-feature", "InternalImportsByDefault", "-package-name", package] + places
  }

  private func compileSwift(_ fault: String?, scratch: String, into library: String) throws {
    guard case .swift(let modules, let entry, let links, let headers, let libraries) = source else { return }
    let flags = flags(fault, scratch: scratch, headers: headers, links: links)
    for module in modules {
      let outputs = ["-emit-module-path", "\(scratch)/\(module.name).swiftmodule", "-o", "\(scratch)/\(module.name).o"]
      let words = flags + ["-module-name", module.name, "-emit-module", "-c"] + outputs
      try Self.run(words + Self.files(in: module.folder, ending: ".swift"))
    }
    let objects = modules.map { "\(scratch)/\($0.name).o" } + (Self.sdk + links).flatMap(Self.objects)
    let link = ["-Xlinker", "--version-script=\(TestPlaces.repository)/SDK/CNodeABI/plugin.map"]
    let module = name.map { $0 == "-" ? "_" : String($0) }.joined()
    try Self.run(
      flags + ["-module-name", module, "-emit-library", "-o", library]
        + Self.files(in: entry, ending: ".swift") + objects + link + (["m"] + libraries).map { "-l\($0)" })
  }

  /// But for what a file that is no more was once compiled to.
  private static func objects(of target: String) -> [String] {
    let folder = "\(TestPlaces.products)/\(target).build"
    let objects = files(in: folder, ending: ".o")
    guard let list = readFile("\(folder)/sources", limit: 1 << 20) else { return objects }
    let names = Set(String(decoding: list, as: UTF8.self).split(separator: "\n").map { $0.split(separator: "/").last! })
    return objects.filter { object in
      !object.hasSuffix(".swift.o") || names.contains(object.split(separator: "/").last!.dropLast(2))
    }
  }

  // MARK: Files

  /// All files of a folder of the repository, or of elsewhere if it is absolute, and of the folders in it.
  private static func files(in folder: String, ending: String) -> [String] {
    let path = folder.hasPrefix("/") ? folder : "\(TestPlaces.repository)/\(folder)"
    if !isFolder(path) { return path.hasSuffix(ending) ? [path] : [] }
    return filesIn(path).sorted().flatMap { files(in: "\(path)/\($0)", ending: ending) }
  }

  private func isFresh(_ library: String) -> Bool {
    guard let made = Self.time(library) else { return false }
    let sources: [String] =
      switch source {
      case .c(let file): ["\(TestPlaces.repository)/\(file)"]
      case .swift(let modules, let entry, let links, _, _):
        (modules.map(\.folder) + [entry]).flatMap { Self.files(in: $0, ending: ".swift") }
          + (Self.sdk + links).flatMap(Self.objects)
      }
    let headers = Self.files(in: "SDK/CNodeABI", ending: "")
    return (sources + headers).allSatisfy { (Self.time($0) ?? .max) <= made }
  }

  private static func time(_ path: String) -> Int? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec : nil
  }

  private static func run(_ words: [String]) throws {
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for word in arguments { free(word) } }
    var process = pid_t()
    guard posix_spawnp(&process, words[0], nil, nil, &arguments, environ) == 0 else {
      throw Failure(description: "\(words[0]) is not there")
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    guard status == 0 else { throw Failure(description: "failed: \(words.joined(separator: " "))") }
  }
}
