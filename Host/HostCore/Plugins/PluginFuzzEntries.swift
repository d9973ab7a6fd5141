import NodeSchema
import NodeValues

/// Feeds bytes to everything that reads a plugin's file before its code runs. Must never trap; a verdict that
/// is not true of the bytes is a fault too, and is made one.
package func fuzzPluginFile(_ bytes: [UInt8]) {
  judge(bytes)
  // Once more as if built for this machine, so that seeds made on one reach as far on another.
  guard bytes.count > 19, bytes[18] != UInt8(ElfImage.hostMachine) || bytes[19] != 0 else { return }
  var native = bytes
  native[18] = UInt8(ElfImage.hostMachine)
  native[19] = 0
  judge(native)
}

private func judge(_ bytes: [UInt8]) {
  do throws(ElfImage.Problem) {
    let image = try ElfImage(reading: bytes)
    check(image)
    // Nothing points at what lies behind the end, so it changes nothing.
    let longer = try? ElfImage(reading: bytes + [0xA5, 0x5A])
    precondition(longer == image, "bytes behind the end change what a file is")
  } catch {
    if case .truncated(let has, let needs) = error {
      precondition(has == bytes.count && needs > UInt64(has), "a file is called cut short, and is not")
    }
    checkWords(PluginProblem(error, file: "f"))
  }
}

private func check(_ image: ElfImage) {
  precondition(image.machine == ElfImage.hostMachine)
  precondition(image.exports.count <= ElfImage.exportLimit)
  // A repaired byte is three bytes long.
  precondition(image.exports.allSatisfy { $0.utf8.count <= 3 * ElfImage.exportNameLimit })
  do throws(PluginProblem) {
    let note = try HostABI.check(image, file: "f")
    precondition(note == image.note && image.exportsQuery && note.pluginID.utf8.count <= 40)
    _ = note.languageName
  } catch {
    checkWords(error)
  }
}

/// What a person is told stays readable whatever the file says.
private func checkWords(_ problem: PluginProblem) {
  precondition(!problem.found.isEmpty && !problem.remedy.isEmpty)
  precondition(problem.description.utf8.count < 4096, "an error quotes more of a file than anybody reads")
}

/// The bytes are JSON text, such as a plugin's schema. What is accepted must survive being written and read,
/// and so must a description of a plugin.
package func fuzzJSON(_ bytes: [UInt8]) {
  let value: JSON
  do throws(JSONError) { value = try JSON(parsing: bytes) } catch {
    precondition((0...bytes.count).contains(error.offset), "an error lies outside the text")
    return
  }
  precondition(depth(of: value) <= JSON.nestingLimit + 1)
  let text = value.description
  guard let again = try? JSON(parsing: text), let pretty = try? JSON(parsing: value.pretty) else {
    preconditionFailure("JSON is written in a way that cannot be read")
  }
  // Compared as bytes: 1.0 is written as 1, and texts that look the same are equal.
  precondition(Array(again.description.utf8) == Array(text.utf8), "JSON does not survive being written and read")
  precondition(pretty == again, "JSON for people differs from JSON for programs")
  if let description = PluginDescription(value) {
    precondition(PluginDescription(description.json) == description, "a description does not survive its JSON")
  }
}

private func depth(of value: JSON) -> Int {
  switch value {
  case .array(let items): 1 + (items.map(depth).max() ?? 0)
  case .object(let object): 1 + (object.members.map { depth(of: $0.value) }.max() ?? 0)
  default: 0
  }
}

/// The bytes are the signature of a method. What is accepted must be written as it was read.
package func fuzzSignature(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  do throws(SignatureError) {
    let signature = try Signature(parsing: text)
    precondition(Array(signature.description.utf8) == Array(text.utf8), "a signature is written differently")
    precondition(signature.parameters.count <= Signature.parameterLimit && !signature.parameters.contains(.nothing))
    let method = MethodShape(name: "f", signature: signature)
    precondition(method.parameterNames.count == signature.parameters.count)
    _ = method.usage
  } catch {
    precondition(!error.description.isEmpty)
  }
}

/// The bytes are a plugin's schema and a configuration, each on a line. A sound schema must judge every value in
/// bounded time, and what it accepts, defaults filled in, it must accept again unchanged.
package func fuzzSchema(_ bytes: [UInt8]) {
  let lines = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
  guard let text = try? JSON(parsing: lines[0]) else { return }
  let schema: JSONSchema
  do throws(SchemaProblem) { schema = try JSONSchema(text) } catch {
    precondition(!error.description.isEmpty)
    return
  }
  let given = lines.count == 2 ? try? JSON(parsing: lines[1]) : nil
  for value in [given, [:]].compactMap({ $0 }) {
    let (filled, faults) = schema.check(value)
    for fault in faults { precondition(!fault.description(of: value).isEmpty) }
    walk(value, SchemaPlace(schema))
    guard faults.isEmpty else { continue }
    let again = schema.check(filled)
    precondition(again.faults.isEmpty && again.value == filled, "a schema refuses or changes what it has filled in")
  }
}

private func walk(_ value: JSON, _ place: SchemaPlace) {
  _ = place.mayBe(value) && place.isSecret
  switch value {
  case .array(let items): for (number, item) in items.enumerated() { walk(item, place.item(number)) }
  case .object(let object): for member in object.members { walk(member.value, place.member(member.key)) }
  default: break
  }
}
