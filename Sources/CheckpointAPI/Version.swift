/// The program's version, as `milepost --version` and the OpenAPI document say it.
package enum Version {
    package static let current = "0.1.0"
}
