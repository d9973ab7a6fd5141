import FlotillaCore
import NodeKit

@main enum Entry: Plugin { typealias Exported = Flotilla }
