import Glibc
package import HostCore
import HostYaml

/// A manifest with what later errors and `nodehost validate` need.
package struct LoadedManifest: Sendable {
  package var manifest: Manifest
  /// After all overrides and expansion; `tree.rendered` prints it without what files and the environment gave.
  package var tree: YamlNode
  package var sources: Sources
}

/// Reads manifests: parse, override, expand, decode.
package enum ManifestFile {
  /// How long a file named by `${file:…}` may be: far longer than a key or a list of certificates.
  package static let insertedFileLimit = 64 << 10

  /// What stands behind `--instance`.
  package static let instanceVariable = "NODE_INSTANCE"

  /// `absent`: what stands for a file that is not here, such as another machine's secret.
  package static func read(
    path: String, overrides: ManifestOverrides = ManifestOverrides(),
    environment: @escaping (String) -> String? = ManifestFile.environment, absent: ((String) -> String)? = nil
  ) throws(ManifestProblems) -> LoadedManifest {
    let bytes: [UInt8]
    do throws(Interpolation.FileProblem) {
      bytes = try contents(of: path, limit: YamlLimits().bytes)
    } catch {
      throw ManifestProblems([Diagnostic(file: path, message: error.message)])
    }
    let folder = PathText.folder(of: path)
    // So that one manifest can serve several nodes in more than what `--instance` changes by itself.
    let variable = { name in name == instanceVariable ? overrides.instance ?? environment(name) : environment(name) }
    let values = Interpolation(variable: variable) { name in
      Result { () throws(Interpolation.FileProblem) in
        do throws(Interpolation.FileProblem) { return try text(of: PathText.resolve(name, in: folder)) } catch {
          guard let absent else { throw error }
          return absent(name)
        }
      }
    }
    return try parse(bytes, named: path, overrides: overrides, values: values)
  }

  package static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  private static func contents(of path: String, limit: Int) throws(Interpolation.FileProblem) -> [UInt8] {
    guard let bytes = readFile(path, limit: limit + 1) else {
      throw Interpolation.FileProblem("cannot be read: \(systemError())")
    }
    if bytes.count > limit { throw Interpolation.FileProblem("is longer than \(limit) bytes") }
    return bytes
  }

  private static func text(of path: String) throws(Interpolation.FileProblem) -> String {
    let bytes = try contents(of: path, limit: insertedFileLimit)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Interpolation.FileProblem("is not UTF-8 text")
    }
    return text
  }

  /// The same for bytes in memory. Relative paths start in the folder of `name`.
  package static func parse(
    _ bytes: [UInt8], named name: String, overrides: ManifestOverrides = ManifestOverrides(), values: Interpolation
  ) throws(ManifestProblems) -> LoadedManifest {
    let log = FaultLog()
    var sources = Sources(manifest: SourceText(name: name, bytes: bytes))
    guard var tree = YamlReader.read(sources.texts[0], into: log) else { throw ManifestProblems(log, in: sources) }
    apply(overrides, to: &tree, &sources, log)
    var expander = Expander(values, sources: sources, log: log)
    tree = expander.expand(tree)
    let decoder = ManifestDecoder(sources: sources, folder: PathText.folder(of: name), log: log, files: values.file)
    guard let manifest = decoder.decode(tree), log.isEmpty else { throw ManifestProblems(log, in: sources) }
    return LoadedManifest(manifest: manifest, tree: tree, sources: sources)
  }

  private static func apply(
    _ overrides: ManifestOverrides, to tree: inout YamlNode, _ sources: inout Sources, _ log: FaultLog
  ) {
    for argument in overrides.settings { set(argument, in: &tree, &sources, log) }
    if let instance = overrides.instance {
      let source = sources.add(SourceText(name: "--instance", bytes: Array(instance.utf8), kind: .argument))
      let place = SourcePlace(source: source, offset: 0)
      let value = YamlNode(.scalar(YamlScalar(instance, style: .plain)), at: place)
      change(&tree, log) { tree throws(Fault) in
        try tree.setting(SettingPath(argument: "node.instance=")!, to: value, source: source)
      }
    }
    for argument in overrides.peers {
      let source = sources.add(SourceText(name: "--peer", bytes: Array(argument.utf8), kind: .argument))
      guard let peer = PeerOverride(argument: argument) else {
        log.add(
          "`\(argument)` names no peer", at: SourcePlace(source: source, offset: 0),
          expected: .described(PeerOverride.expectation))
        continue
      }
      change(&tree, log) { tree throws(Fault) in try tree.applying(peer, source: source) }
    }
  }

  private static func set(
    _ argument: String, in tree: inout YamlNode, _ sources: inout Sources, _ log: FaultLog
  ) {
    let text = SourceText(name: "--set", bytes: Array(argument.utf8), kind: .argument)
    let source = sources.add(text)
    guard let path = SettingPath(argument: argument) else {
      log.add(
        "`\(argument)` is no setting", at: SourcePlace(source: source, offset: 0),
        expected: .described("path=value, such as roles.gateway.config.ttl_seconds=5"))
      return
    }
    guard let value = value(of: text, at: path.valueOffset, source, log) else { return }
    let nesting = YamlLimits().nesting
    guard path.steps.count + value.height <= nesting else {
      log.add(
        "lists and mappings would be nested deeper than \(nesting) levels", at: SourcePlace(source: source, offset: 0))
      return
    }
    change(&tree, log) { tree throws(Fault) in try tree.setting(path, to: value, source: source) }
  }

  /// The part behind the `=` as YAML; the part before it is blanked out, so that places stay right.
  private static func value(of text: SourceText, at offset: Int, _ source: Int32, _ log: FaultLog) -> YamlNode? {
    var bytes = text.bytes
    for place in 0..<offset { bytes[place] = UInt8(ascii: " ") }
    if bytes.allSatisfy({ $0 == UInt8(ascii: " ") }) {
      let place = SourcePlace(source: source, offset: text.bytes.count)
      return YamlNode(.scalar(YamlScalar("", style: .plain)), at: place)
    }
    return YamlReader.read(SourceText(name: text.name, bytes: bytes, kind: .argument), source: source, into: log)
  }

  private static func change(
    _ tree: inout YamlNode, _ log: FaultLog, _ body: (YamlNode) throws(Fault) -> YamlNode
  ) {
    do throws(Fault) { tree = try body(tree) } catch { log.add(error) }
  }
}
