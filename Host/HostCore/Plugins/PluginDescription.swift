package import NodeValues

/// What a plugin says of itself, copied out of its table, so that nobody needs the plugin to read it.
package struct PluginDescription: Sendable, Equatable {
  package struct Method: Sendable, Equatable {
    package var name: String
    package var doc: String
    package var signature: Signature
    /// As many as the signature has; "argument 1" and so on where the plugin names none.
    package var parameters: [String]
    package var isPacked: Bool
    package var isIdempotent: Bool

    package init(
      name: String, doc: String, signature: Signature, parameters: [String], isPacked: Bool, isIdempotent: Bool
    ) {
      self.name = name
      self.doc = doc
      self.signature = signature
      self.parameters = parameters
      self.isPacked = isPacked
      self.isIdempotent = isIdempotent
    }
  }

  package struct Need: Sendable, Equatable {
    package var id: String
    package var layout: UInt64
    package var isRequired: Bool

    package init(id: String, layout: UInt64, isRequired: Bool) {
      self.id = id
      self.layout = layout
      self.isRequired = isRequired
    }
  }

  package struct Topic: Sendable, Equatable {
    package var name: String
    package var doc: String

    package init(name: String, doc: String) {
      self.name = name
      self.doc = doc
    }
  }

  package var id: String
  package var version: String
  package var summary: String
  package var stateVersion: UInt32
  /// The JSON Schema of the configuration; null if the role takes none.
  package var schema: JSON
  package var methods: [Method]
  package var topics: [Topic]
  package var needs: [Need]
  package var provides: [String]

  package init(
    id: String, version: String, summary: String, stateVersion: UInt32, schema: JSON, methods: [Method],
    topics: [Topic], needs: [Need], provides: [String]
  ) {
    self.id = id
    self.version = version
    self.summary = summary
    self.stateVersion = stateVersion
    self.schema = schema
    self.methods = methods
    self.topics = topics
    self.needs = needs
    self.provides = provides
  }
}

extension PluginDescription {
  /// What other roles have to provide; the rest comes from the host.
  package var neededIDs: [String] { needs.filter { $0.isRequired && !$0.id.hasPrefix("nodehost.") }.map(\.id) }
}

/// The form in which a description goes from the process that opened the plugin to the host.
extension PluginDescription {
  package var json: JSON {
    [
      "id": .string(id), "version": .string(version), "summary": .string(summary), "state_version": JSON(stateVersion),
      "schema": schema, "methods": .array(methods.map(\.json)), "topics": .array(topics.map(\.json)),
      "needs": .array(needs.map(\.json)), "provides": .array(provides.map(JSON.string)),
    ]
  }

  package init?(_ json: JSON) {
    guard let id = json["id"]?.string, let version = json["version"]?.string, let summary = json["summary"]?.string,
      let state = json["state_version"]?.int, let stateVersion = UInt32(exactly: state), let schema = json["schema"],
      let methods = json["methods"]?.array?.map(Method.init), !methods.contains(nil),
      let topics = json["topics"]?.array?.map(Topic.init), !topics.contains(nil),
      let needs = json["needs"]?.array?.map(Need.init), !needs.contains(nil),
      let provides = json["provides"]?.array?.compactMap(\.string)
    else { return nil }
    self.init(
      id: id, version: version, summary: summary, stateVersion: stateVersion, schema: schema,
      methods: methods.compactMap(\.self), topics: topics.compactMap(\.self), needs: needs.compactMap(\.self),
      provides: provides)
  }
}

extension PluginDescription.Method {
  var json: JSON {
    [
      "name": .string(name), "doc": .string(doc), "signature": .string(signature.description),
      "parameters": .array(parameters.map(JSON.string)), "packed": .bool(isPacked), "idempotent": .bool(isIdempotent),
    ]
  }

  init?(_ json: JSON) {
    guard let name = json["name"]?.string, let doc = json["doc"]?.string, let letters = json["signature"]?.string,
      let signature = try? Signature(parsing: letters),
      let parameters = json["parameters"]?.array?.compactMap(\.string), let packed = json["packed"]?.bool,
      let idempotent = json["idempotent"]?.bool
    else { return nil }
    self.init(
      name: name, doc: doc, signature: signature, parameters: parameters, isPacked: packed, isIdempotent: idempotent)
  }
}

extension PluginDescription.Need {
  var json: JSON { ["id": .string(id), "layout": .string(hexadecimal(layout)), "required": .bool(isRequired)] }

  init?(_ json: JSON) {
    guard let id = json["id"]?.string, let digits = json["layout"]?.string,
      let layout = UInt64(digits.dropFirst(2), radix: 16), let required = json["required"]?.bool
    else { return nil }
    self.init(id: id, layout: layout, isRequired: required)
  }
}

extension PluginDescription.Topic {
  var json: JSON { ["name": .string(name), "doc": .string(doc)] }

  init?(_ json: JSON) {
    guard let name = json["name"]?.string, let doc = json["doc"]?.string else { return nil }
    self.init(name: name, doc: doc)
  }
}
