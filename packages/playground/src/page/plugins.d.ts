/** The plugins bundled with the page: made by .ci/page-plugins.js. */
declare module 'mmulab:plugins' {
  import type { ContainerModule } from 'inversify';
  const plugins: readonly { readonly name: string; readonly path: string; readonly module: ContainerModule }[];
  export default plugins;
}
declare module '*.css';
