import HostCore
import Synchronization

/// All that the node's roles have said of their services, for reflection.
final class DescriptorRegistry: Sendable {
  private struct Entry {
    var owner: ObjectIdentifier
    var file: DescriptorSet.File
  }
  private let entries = Mutex<[Entry]>([])

  func add(_ set: DescriptorSet, of owner: AnyObject) {
    let id = ObjectIdentifier(owner)
    entries.withLock { $0 += set.files.map { Entry(owner: id, file: $0) } }
  }

  func remove(of owner: AnyObject) {
    let id = ObjectIdentifier(owner)
    entries.withLock { $0.removeAll { $0.owner == id } }
  }

  /// The newest that fits.
  private func first(_ fits: (DescriptorSet.File) -> Bool) -> DescriptorSet.File? {
    entries.withLock { entries in entries.last { fits($0.file) }?.file }
  }

  func file(named name: String) -> DescriptorSet.File? { first { $0.name == name } }
  func file(defining symbol: String) -> DescriptorSet.File? { first { $0.symbols.contains(symbol) } }

  func file(extending message: String, _ number: Int) -> DescriptorSet.File? {
    first { $0.extensions[message]?.contains(number) == true }
  }

  /// Nil if nobody has described the message.
  func extensions(of message: String) -> [Int]? {
    guard file(defining: message) != nil else { return nil }
    let numbers = entries.withLock { entries in entries.flatMap { Array($0.file.extensions[message] ?? []) } }
    return Set(numbers).sorted()
  }

  /// A file and all that it needs, each once, it first.
  func withDependencies(_ file: DescriptorSet.File) -> [DescriptorSet.File] {
    var found = [file]
    var next = 0
    while next < found.count {
      for name in found[next].dependencies where !found.contains(where: { $0.name == name }) {
        if let dependency = self.file(named: name) { found.append(dependency) }
      }
      next += 1
    }
    return found
  }
}
