// How the client is generated: modules that Node runs as they are compiled, and no log file.
export default {
  output: { path: 'src/api', module: { extension: '.js' } },
  logs: { file: false },
}
