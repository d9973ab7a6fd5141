package import NodeValues

/// Reads a model from a manifest or a model file:
///
///     input: [1, 28, 28]
///     layers:
///       - convolution: { channels: 6, window: 5, padding: 2 }
///       - relu
///       - max-pool: 2
///       - residual: { body: [batch-norm, relu] }
///       - flatten
///       - dense: 10
///
/// or one of those that are shipped, by its name. Errors say where in the model they are and what to write.
extension ModelDescription {
  package init(json: JSON, at place: String = "") throws(RoleError) {
    if let name = json.string {
      guard let known = Self.shipped.first(where: { plain($0.name) == plain(name) }) else {
        let names = Self.shipped.map(\.name).joined(separator: ", ")
        throw wrong("there is no model `\(name)`; shipped are \(names), or describe its layers", place)
      }
      self = known.model
      return
    }
    var fields = try ModelFields(json, at: place, "a model's name, or an object with input and layers")
    let shape = try fields.required("input", "input: [1, 28, 28]")
    let list = try fields.required("layers", "layers: [flatten, { dense: 10 }]")
    let loss = try fields.choice("loss", Loss.crossEntropy)
    let initialisation = try fields.choice("initialisation", Initialisation.he)
    try fields.end()
    self.init(
      input: try inputShape(shape, "\(place)/input"), layers: try layerList(list, "\(place)/layers", depth: 0),
      loss: loss, initialisation: initialisation)
    _ = try NetworkPlan(self, at: place)
  }
}

/// `LeNet5`, `lenet_5` and `lenet-5` are one name.
private func plain(_ name: String) -> String { String(name.lowercased().filter { $0 != "-" && $0 != "_" }) }

private let nestingLimit = 8
private let numberLimit = 1 << 26
private let listLimit = 1_000

func wrong(_ message: String, _ place: String) -> RoleError { RoleError(.invalidArgument, message, at: place) }

private func inputShape(_ json: JSON, _ place: String) throws(RoleError) -> SampleShape {
  guard let sizes = json.array, sizes.count == 1 || sizes.count == 3 else {
    throw wrong("expected [features], or [channels, rows, columns], and not \(json.kind)", place)
  }
  var numbers: [Int] = []
  for (index, size) in sizes.enumerated() { numbers.append(try whole(size, 1...numberLimit, "\(place)/\(index)")) }
  guard numbers.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue.clamped }) <= numberLimit else {
    throw wrong("more than \(numberLimit) numbers a sample; take smaller samples", place)
  }
  return numbers.count == 1 ? SampleShape(numbers[0]) : SampleShape(numbers[0], numbers[1], numbers[2])
}

extension Int {
  /// Of a product of two numbers below 2^27: never wraps, as long as it is kept small on the way.
  fileprivate var clamped: Int { Swift.min(self, numberLimit + 1) }
}

func whole(_ json: JSON, _ range: ClosedRange<Int>, _ place: String) throws(RoleError) -> Int {
  guard let number = json.int, let value = Int(exactly: number), range.contains(value) else {
    throw wrong("expected a whole number from \(range.lowerBound) to \(range.upperBound), not \(shown(json))", place)
  }
  return value
}

private func shown(_ json: JSON) -> String {
  switch json {
  case .int(let number): "\(number)"
  case .double(let number): "\(number)"
  case .string(let text): "`\(text)`"
  default: json.kind
  }
}

private func layerList(_ json: JSON, _ place: String, depth: Int) throws(RoleError) -> [LayerDescription] {
  guard let items = json.array else { throw wrong("expected a list of layers, not \(json.kind)", place) }
  guard items.count <= listLimit else { throw wrong("more than \(listLimit) layers", place) }
  guard depth <= nestingLimit else { throw wrong("residuals more than \(nestingLimit) deep", place) }
  var layers: [LayerDescription] = []
  for (index, item) in items.enumerated() { layers.append(try layer(item, "\(place)/\(index)", depth: depth)) }
  return layers
}

/// A layer is its name, or its name with settings, or its name with its one setting that matters.
private func layer(_ json: JSON, _ place: String, depth: Int) throws(RoleError) -> LayerDescription {
  if let name = json.string { return try layer(name, .object(JSONObject()), place, depth: depth) }
  guard let members = json.object?.members, members.count == 1 else {
    throw wrong("expected a layer, such as relu or { dense: 10 }, not \(json.kind)", place)
  }
  return try layer(members[0].key, members[0].value, "\(place)/\(members[0].key)", depth: depth)
}

private let shortSettings = ["dense": "units", "max-pool": "window", "average-pool": "window", "dropout": "rate"]
private let layerNames = [
  "dense", "convolution", "max-pool", "average-pool", "global-average", "batch-norm", "layer-norm", "dropout", "relu",
  "gelu", "flatten", "residual",
]

private func layer(_ name: String, _ json: JSON, _ place: String, depth: Int) throws(RoleError) -> LayerDescription {
  guard layerNames.contains(name) else {
    throw wrong("there is no layer `\(name)`; there are \(layerNames.joined(separator: ", "))", place)
  }
  var settings = json
  if let short = shortSettings[name], json.object == nil { settings = .object(JSONObject([(short, json)])) }
  if case .null = json { settings = .object(JSONObject()) }
  var fields = try ModelFields(settings, at: place, "the settings of \(name)")
  let layer = try described(name, &fields, depth: depth)
  try fields.end()
  return layer
}

private func described(_ name: String, _ fields: inout ModelFields, depth: Int) throws(RoleError) -> LayerDescription {
  switch name {
  case "dense": return .dense(units: try fields.size("units"), bias: try fields.truth("bias", true))
  case "convolution":
    return .convolution(
      channels: try fields.size("channels"), window: try fields.window("window"),
      stride: try fields.window("stride", 1),
      padding: try fields.number("padding", 0...10, 0), bias: try fields.truth("bias", true))
  case "max-pool", "average-pool":
    let window = try fields.window("window"), stride = try fields.window("stride", window)
    return name == "max-pool" ? .maxPool(window: window, stride: stride) : .averagePool(window: window, stride: stride)
  case "global-average": return .globalAverage
  case "batch-norm":
    return .batchNorm(
      epsilon: try fields.fraction("epsilon", 1e-5, 1e-12...1), momentum: try fields.fraction("momentum", 0.1, 0...1))
  case "layer-norm": return .layerNorm(epsilon: try fields.fraction("epsilon", 1e-5, 1e-12...1))
  case "dropout": return .dropout(rate: try fields.fraction("rate", nil, 0...0.99))
  case "relu": return .relu
  case "gelu": return .gelu
  case "flatten": return .flatten
  default:
    let place = fields.place
    let body = try fields.required("body", "body: [relu]")
    let shortcut = fields.take("shortcut") ?? .array([])
    return .residual(
      body: try layerList(body, "\(place)/body", depth: depth + 1),
      shortcut: try layerList(shortcut, "\(place)/shortcut", depth: depth + 1))
  }
}
